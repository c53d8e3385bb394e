"""MiniStack with its seams, as a process of its own: `Cloud` starts it."""

from rehearsal.seams import decisions

decisions.record()  # before any service takes the function it replaces

from ministack import app  # noqa: E402

from rehearsal.seams import functions, http_api, parameters, watching  # noqa: E402

if __name__ == "__main__":
    http_api.install()
    parameters.install()
    functions.install()
    watching.install()
    app._port_is_bindable = lambda *_: False  # it would take this machine's port 443 as well
    app.main()
