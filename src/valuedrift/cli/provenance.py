"""Commands that tell whether results are what was made, and pack them for others."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from valuedrift.cli.options import Command
from valuedrift.errors import ArtifactError


def configuration(given: argparse.Namespace) -> None:
    """Write the configuration down beside the results."""
    from valuedrift.files import write_text

    write_text(given.out, json.dumps(given.settings, ensure_ascii=False) + "\n")


def configuration_reference(given: argparse.Namespace) -> None:
    """Print what every key of the configuration means, as Markdown: docs/configuration.md."""
    from valuedrift.config.reference import reference
    from valuedrift.config.schema import WorkflowConfig

    print(reference(WorkflowConfig), end="")


def verify(given: argparse.Namespace) -> None:
    """Hash artifacts again, and name what was altered since it was made."""
    from valuedrift.provenance.archive import verify_archive
    from valuedrift.provenance.verify import verify

    verified = verify_archive(given.archive) if given.archive else verify(given.paths)
    if given.json:
        print(json.dumps({**asdict(verified), "sound": not verified.findings}, indent=2))
    else:
        print("\n".join([*map(str, verified.findings), f"{verified.files} files hashed"]))
    if verified.findings:
        found = f"{len(verified.findings)} files or records that are not as they were made"
        do = "Find out who changed them; to make one again, remove it and run its target."
        raise ArtifactError(verified.findings[0].path, found, "none", do)


def pack(given: argparse.Namespace) -> None:
    """Pack results for publication: tables, figures, statistics, stances, configuration, provenance; no weights."""
    from valuedrift.provenance.pack import pack

    names = pack(given.archive, given.paths)
    print(f"{given.archive}: {len(names)} files")


COMMANDS = (
    Command(configuration, "settings out"),
    Command(configuration_reference, ""),
    Command(verify, "paths!*? archive? json~"),
    Command(pack, "archive! paths!*?"),
)
