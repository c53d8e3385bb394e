"""The client on its own, imported by a page of another site, as its README shows."""

from collections.abc import Callable

from playwright.sync_api import Page

from local.stack import LocalStack
from tests.browser.conftest import hurry
from tests.support.photographs import photograph
from tests.support.stacks import OTHER_SITE


def test_another_site_sends_a_photograph(new_page: Callable[..., Page], stack: LocalStack) -> None:
    page = new_page(
        base_url=OTHER_SITE,
        third_parties=[stack.url.removeprefix("http://")],
        permissions=["local-network-access"],  # the other site is one of the internet, the stack is on this machine
    )
    page.route(
        f"{OTHER_SITE}/**", lambda route: route.fulfill(content_type="text/html", body="<input type=file id=file>")
    )
    hurry(page)
    page.goto("/")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photograph()})

    seen = page.evaluate(
        """async (inlet) => {
            const client = await import(`${inlet}/web/client/index.js`);
            const api = new client.Api({ baseUrl: inlet });
            const [file] = document.querySelector("#file").files;
            const told = [];
            const onProgress = (sent, total) => told.push(sent / total);
            const { jobId } = await client.uploadImage(api, file, { email: "ada@example.com", hash: true, onProgress });
            await client.startJob(api, jobId);
            let last = null;
            for await (const status of client.watchJob(api, jobId)) last = status;
            const result = await api.getResult(last.resultId, { jobId });
            const preview = await fetch(result.previewUrl);
            const isCurrent = client.getCurrentJob() === jobId;
            return { status: last.status, last: told.at(-1), isCurrent, preview: preview.status };
        }""",
        stack.url,
    )

    assert seen == {"status": "completed", "last": 1, "isCurrent": True, "preview": 200}


def test_a_token_is_asked_for_before_every_request_of_a_user(page: Page) -> None:
    page.goto("/files")
    sent = page.evaluate(
        """async () => {
            const { Api } = await import("/web/client/index.js");
            const sent = [];
            globalThis.fetch = async (url, { headers }) => {
                sent.push(headers.Authorization ?? null);
                return new Response("{}", { status: sent.length === 1 ? 503 : 200 });
            };
            let number = 0;
            const api = new Api({ getAccessToken: async () => `token ${++number}` });
            await api.listRecordings();
            await api.createUpload({ email: "ada@example.com", type: "image/png" });
            return sent;
        }"""
    )
    assert sent == ["Bearer token 1", "Bearer token 2", None]
