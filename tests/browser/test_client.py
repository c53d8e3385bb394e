"""The client on its own, imported by a page of another site, as its README shows."""

import socket
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Playwright

from local.stack import LocalStack
from tests.browser.conftest import ARGUMENTS, CHROMIUM, hurry
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


def test_the_bucket_is_connected_to_while_the_api_is_asked(
    playwright: Playwright, stack: LocalStack, tmp_path: Path
) -> None:
    profile = playwright.chromium.launch_persistent_context(  # Chromium connects early outside of incognito only
        tmp_path, executable_path=CHROMIUM, args=ARGUMENTS, base_url=stack.url
    )
    with profile, socket.create_server(("127.0.0.1", 0)) as bucket:
        bucket.settimeout(20)
        page = profile.pages[0]
        page.goto("/docs")
        for ask in ("createUpload", "createSession", "createRecording"):
            page.evaluate(
                """async ([ask, bucketOrigin]) => {
                    const client = await import("/web/client/index.js");
                    new client.Api({ bucketOrigin })[ask]({}, { attempts: 1 }).catch(() => {});
                }""",
                [ask, f"http://127.0.0.1:{bucket.getsockname()[1]}"],
            )
            connection, _ = bucket.accept()
            connection.close()


def test_pages_know_where_the_bucket_is(page: Page, stack: LocalStack) -> None:
    page.goto("/")
    origin = page.evaluate("document.querySelector('meta[name=bucket]').dataset.origin")
    assert origin == stack.environment["S3_ENDPOINT_URL"]


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
