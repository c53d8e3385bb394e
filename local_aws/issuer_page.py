"""The one page of the local issuer."""

from html import escape

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }
form { display: grid; gap: .75rem; }
input, button { font: inherit; padding: .6rem .8rem; min-height: 2.75rem; width: 100%; box-sizing: border-box; }
"""
FORM = """
<p>This machine's issuer believes whatever name you give. It becomes the claim <code>sub</code>.</p>
<form method="post">
  <label for="who">Your name</label>
  <input id="who" name="who" value="ada" maxlength="128" autocomplete="username" autofocus>
  <button>Sign in</button>
  <button name="cancel" value="yes">Cancel</button>
</form>
"""


def page(words: str = "", *, asks: bool = False) -> str:
    """Return the page, with words or with the form that asks who somebody is."""
    title = "Who are you?" if asks else "Sign-in"
    content = FORM if asks else f"<p>{escape(words)}</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{content}</main></body></html>"
    )
