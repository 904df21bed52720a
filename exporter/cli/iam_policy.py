"""`iam-policy`: the least privilege that a configuration needs."""

from __future__ import annotations

from pathlib import Path

import click

from exporter.cli.options import config_option, reports_errors, resolve_config
from exporter.iam import FORMATS, HISTORY, choose, principals
from exporter.iam.documents import LONGEST_POLICY, check_hub, size
from exporter.service import require_sources


@click.command("iam-policy", short_help="Print the least privilege that a configuration needs.")
@config_option
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="json", show_default=True, help="Form: trust is the roles' trust policy."
)
@click.option(
    "--for", "name", default="", metavar="PRINCIPAL", help="Only for hub (what the exporter runs as), member (the role in each watched "
    "account) or the ARN of a role; all, if none is named.",
)  # fmt: skip
@click.option("--hub-arn", default="", metavar="ARN", help="Role or user that the exporter runs as, for the trust policies of its roles.")
@click.option(
    "--history", "history", multiple=True, type=click.Choice(list(HISTORY)),
    help="Also what `history --from` this place calls, for people who ask it with these credentials; `aws-config` is also for "
    "what the page of a group shows of AWS Config. May be repeated.",
)  # fmt: skip
@reports_errors
def iam_policy(config_file: Path | None, form: str, name: str, hub_arn: str, history: tuple[str, ...]) -> None:
    """Print the least privilege that this very configuration needs, from its sources, accounts and `doctor`. Contacts nobody.

    In the forms json and trust several principals come as one object, by name. Statements whose Sid begins with Doctor are for `doctor`
    alone.
    """
    config, path = resolve_config(config_file)
    if not history:
        require_sources(config, str(path or "the default configuration"))
    hub = check_hub(hub_arn)
    chosen = (choose(config, name, hub, history),) if name else principals(config, hub, history)
    if not chosen:
        click.echo("This configuration reads nothing from AWS, so it needs no permission.", err=True)
        return
    click.echo(FORMATS[form](chosen, hub), nl=False)
    for principal in chosen:
        if (length := size(principal)) > LONGEST_POLICY:
            click.echo(
                f"The policy of {principal.name} has {length} characters, a managed policy at most {LONGEST_POLICY}; "
                "give the roles of all accounts one name and use `aws.organization`, or split it",
                err=True,
            )
