"""Translates template.yaml as CloudFormation's SAM transform does, without an account: what is deployed can be checked.

Two thirds of the resources exist only afterwards, every policy among them.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-west-1"
# What a deployment fills in where the template has no default.
EXAMPLES = {
    "BucketName": "inlet-dev-123456789012-eu-west-1",
    "FunctionsSecretVersion": "00000000-0000-0000-0000-000000000001",
    "RestrictedSecretVersion": "00000000-0000-0000-0000-000000000002",
    "Release": "0" * 64,
}


class NotTranslated(Exception):
    """SAM refuses the template; the message says why."""


def translated(parameters: dict[str, str] | None = None, template: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return what CloudFormation would be given, with `parameters` over the template's defaults."""
    source = yaml_parse(template.read_text())
    _place_code(source)
    declared = {
        name: one["Default"].split(",") if one["Type"] == "CommaDelimitedList" else one["Default"]
        for name, one in source["Parameters"].items()
        if "Default" in one
    }
    translator = Translator({}, Parser(), boto_session=_Session())
    try:
        result: dict[str, Any] = translator.translate(source, declared | EXAMPLES | (parameters or {}))
    except InvalidDocumentException as refusal:
        raise NotTranslated("\n".join(error.message for error in refusal.causes)) from refusal
    return result


def _place_code(template: dict[str, Any]) -> None:
    """Put code where `sam package` would: SAM takes addresses only."""
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = f"s3://bucket/{name}"


class _Session:
    """Stands for boto3's session: SAM asks for nothing but the region."""

    region_name = REGION


def main() -> int:
    """Write the translated template as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", type=lambda text: text.partition("=")[::2])
    given = parser.parse_args()
    target = given.file
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.write_text(json.dumps(translated(dict(given.parameters)), indent=1))
    except NotTranslated as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
