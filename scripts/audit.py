"""`make audit`: hold every locked package against the known advisories. Fail where one is found, and name it.

A service that cannot be asked is said in words and fails nothing: a check without a network must not flake. The
packages of Python are those of uv.lock, asked about at osv.dev; those of the web tools are package-lock.json's, asked
about at the npm registry.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

ADVISORY_FOUND = 1  # uv's exit status; another one than 0 means that it could not ask


@dataclass(frozen=True)
class Finding:
    """What one audit gave: whether the service answered, and what is known against a package."""

    asked: bool
    advisories: str = ""
    reason: str = ""


def audit_python(*options: str) -> Finding:
    """Ask about uv.lock. `options` are uv's own."""
    command = [os.environ["UV"], "audit", "--locked", "--preview-features", "audit-command", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own uv
    if done.returncode == ADVISORY_FOUND:
        return Finding(asked=True, advisories=(done.stdout or done.stderr).strip())
    return Finding(asked=done.returncode == 0, reason=_last_line(done.stderr))


def audit_web(*options: str) -> Finding:
    """Ask about package-lock.json. `options` are npm's own."""
    command = ["npm", "audit", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - npm from our own wheel
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        vulnerable = report["vulnerabilities"]
    except (ValueError, KeyError):
        return Finding(asked=False, reason=_last_line(done.stderr))
    return Finding(asked=True, advisories="\n".join(_line(package) for package in vulnerable.values()))


def main() -> int:
    """Say what each audit gave; return the exit status."""
    findings = {"uv.lock": audit_python(), "package-lock.json": audit_web()}
    sys.stdout.writelines(f"{name}: {_in_words(finding)}\n" for name, finding in findings.items())
    return int(any(finding.advisories for finding in findings.values()))


def _in_words(finding: Finding) -> str:
    if finding.advisories:
        return f"advisories.\n{finding.advisories}"
    if finding.asked:
        return "no known advisory."
    return f"not audited, the advisory service could not be asked ({finding.reason})."


def _line(package: dict[str, Any]) -> str:
    """Return what npm knows of a package; what came with a vulnerable one is named by that one."""
    causes = [cause if isinstance(cause, str) else f"{cause['title']} {cause['url']}" for cause in package["via"]]
    return f"{package['name']} ({package['severity']}): {', '.join(causes)}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "complete log" not in line]
    return lines[-1] if lines else "no reason given"


if __name__ == "__main__":
    sys.exit(main())
