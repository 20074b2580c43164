"""Commands that tell what a run will take."""

from __future__ import annotations

import argparse
import json

from valuedrift.cli.options import Command


def plan(given: argparse.Namespace) -> None:
    """Tell what targets still take: jobs, tokens, hours, disk, dollars; fails where that is above the budget."""
    from valuedrift.workflow.plan import plan_targets, require_budget
    from valuedrift.workflow.plan_text import plan_text

    options = [("--configfile", given.configfile), ("--config", given.config), ("--profile", given.profile)]
    plan, config = plan_targets(given.target, [text for name, values in options if values for text in (name, *values)])
    print(json.dumps(plan.as_dict(), indent=2) if given.json else plan_text(plan, config.get("budget", {})))
    require_budget(plan, config.get("budget", {}))


COMMANDS = (Command(plan, "target*! json~ configfile*? config*? profile*?"),)
