"""`normlab login` and `normlab keys`: a link that opens the dashboard, and the tokens of programs."""

from typing import Annotated

import typer

from cli.output import console, print_json, table
from cli.places import connect

keys = typer.Typer(help="Tokens for programs and people.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def login(as_json: Json = False) -> None:
    """Print an address that opens the dashboard, signed in; it works once, for ten minutes."""
    answer = connect().post("/v1/login-codes")
    if as_json:
        print_json(answer)
    else:
        console.print(answer["url"], soft_wrap=True)


@keys.command("ls")
def list_keys(as_json: Json = False) -> None:
    """List the keys; their secrets are not stored and cannot be shown."""
    records = list(connect().pages("/v1/keys"))
    if as_json:
        print_json(records)
        return
    rows = [
        (
            key["id"],
            key["owner"],
            key["name"],
            ", ".join(key["scopes"]),
            *((key[at] or "")[:19] for at in ("created_at", "expires_at", "revoked_at")),
        )
        for key in records
    ]
    console.print(table(None, ("id", "owner", "name", "scopes", "created", "expires", "revoked"), rows))


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    owner: Annotated[str | None, typer.Option(help="Whose key it is; default yours.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="read, write or admin; several times for several.")] = None,
    days: Annotated[float | None, typer.Option(help="How long it is valid; default until it is revoked.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print its token, which is shown this once."""
    body = {"name": name, "owner": owner, **({"scopes": scope} if scope else {}), "days": days}
    answer = connect().post("/v1/keys", body)
    if as_json:
        print_json(answer)
    else:
        console.print(answer["token"], soft_wrap=True)


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Id of the key, as in key_01J….")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the revoked key as JSON.")] = False,
) -> None:
    """Make a key worthless."""
    client = connect()
    client.delete(f"/v1/keys/{key}")
    if as_json:
        print_json(client.get(f"/v1/keys/{key}"))
    else:
        console.print(f"Revoked {key}.")
