"""Lets through one SELECT over the table of trail logs, and nothing else: no other table, no file, no setting, no second statement."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NoReturn

from exporter.errors import SqlError, SqlRefused
from exporter.sql.base import Statement
from exporter.text import visible

if TYPE_CHECKING:
    from sqlglot import exp

LONGEST = 100_000
"""Characters of a statement that are looked at; Athena takes 262,144 bytes."""

_BEGINNING = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|\()*(select|with)\b", re.IGNORECASE | re.DOTALL)
_FORBIDDEN = (
    "Alter", "Analyze", "Attach", "Cache", "Command", "Comment", "Commit", "Copy", "Create", "DDL", "DML", "Delete", "Describe", "Detach",
    "Drop", "Execute", "Export", "Grant", "Heredoc", "Insert", "Into", "Install", "Kill", "LoadData", "Lock", "Merge", "Parameter",
    "Pragma", "Refresh", "Rollback", "SessionParameter", "Set", "Show", "Transaction", "TruncateTable", "Uncache", "Update", "Use",
)  # fmt: skip
_REFUSED_FUNCTIONS = re.compile(
    r"(?:read|write|scan|parquet|sniff|pragma|duckdb|sqlite|postgres|mysql|iceberg|delta|st_read|sql|force|checkpoint|from_substrait|get_substrait|"
    r"json_execute|json_serialize|test|add_parquet|copy|load|install|attach|http|query|glob|getenv|getvariable|set_config|set|import|export|"
    r"enable|disable)(?:_.*|)|(?:.*_scan|.*_settings?|current_(?:setting|database|databases|schemas?|query|user|role|catalog|version)|nextval|currval|"
    r"session_user|user|version|in_search_path|txid_current|which_secret|which_.*|sleep.*|query_table|storage_info|table_info|summary|"
    r"parse_duckdb_log_message|external_function|invoke.*)",
    re.IGNORECASE,
)


def checked(statement: Statement, tables: Collection[str]) -> exp.Expr:
    """Return a statement parsed, as Athena reads it; raise SqlRefused, with what to do, unless it only reads `tables`.

    `tables` are names in lower case, with or without their database: `cloudtrail_logs`, `default.cloudtrail_logs`.
    """
    tree = parsed(statement.sql)
    _Check(frozenset(tables)).query(tree)
    from sqlglot import exp  # noqa: PLC0415 - as in `parsed`

    wanted = sum(1 for _ in tree.find_all(exp.Placeholder))
    if wanted != len(statement.parameters):
        raise SqlRefused(f"the statement has {wanted} `?`, but {len(statement.parameters)} values are given; give one for each")
    return tree


def parsed(sql: str) -> exp.Expr:
    """Return one SELECT parsed in the dialect of Athena; raise SqlRefused where it is none."""
    try:
        import sqlglot  # noqa: PLC0415 - of the extra `sql`, which not everybody installs
        from sqlglot import exp  # noqa: PLC0415
        from sqlglot.errors import SqlglotError  # noqa: PLC0415
    except ImportError:
        raise missing("sqlglot") from None
    # What it cannot do it writes to standard error beside raising; what is to be said of it is said here.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    if len(sql) > LONGEST:
        _refuse(f"it has {len(sql):,} characters, and more than {LONGEST:,} are not looked at")
    if "\0" in sql:
        _refuse("it holds a NUL character")
    if not _BEGINNING.match(sql):
        _refuse("only one SELECT (or WITH … SELECT) is run; begin with that")
    try:
        tokens = sqlglot.tokenize(sql, read="athena")
        if any("/*" in comment or "*/" in comment for token in tokens for comment in token.comments):
            _refuse("a comment stands within a comment, which engines read differently; take it out")
        # A comment behind the last semicolon is no statement.
        trees = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None and not isinstance(tree, exp.Semicolon)]
    except SqlglotError as error:
        raise SqlRefused(f"the statement cannot be read: {_said(error)}") from None
    except RecursionError:
        raise SqlRefused("the statement cannot be read: it is nested too deeply; write it flatter") from None
    if len(trees) != 1:
        _refuse(f"{len(trees)} statements stand there; give one")
    (tree,) = trees
    if not isinstance(tree, exp.Query):
        _refuse("only SELECT is run")
    return tree


def missing(module: str) -> SqlError:
    """Return the error for a module of the extra `sql` that is not installed."""
    return SqlError(f"{module} is not installed, which SQL over trail logs needs: pip install 'aws-change-exporter[sql]'")


class _Check:
    """Goes through a tree with the names that each place may read."""

    def __init__(self, tables: frozenset[str]) -> None:
        from sqlglot import exp  # noqa: PLC0415

        self._exp: Any = exp
        self._tables = tables
        self._forbidden = tuple(getattr(exp, name) for name in _FORBIDDEN if hasattr(exp, name))

    def query(self, tree: Any) -> None:
        try:
            self._node(tree, frozenset())
        except RecursionError:
            raise SqlRefused("the statement cannot be read: it is nested too deeply; write it flatter") from None

    def _node(self, node: Any, known: frozenset[str]) -> None:
        exp = self._exp
        if isinstance(node, self._forbidden):
            _refuse(f"{node.key.upper()} is not run; only reading is")
        with_ = node.args.get("with_") or node.args.get("with")
        if with_ is not None:
            known = self._ctes(with_, known)
        if isinstance(node, exp.Table):
            self._table(node, known)
        elif isinstance(node, exp.Identifier) and not node.args.get("quoted") and node.name.startswith("$"):
            _refuse(f"the value {visible(node.name, 80)} has a name; write `?`")
        elif isinstance(node, exp.Placeholder) and node.args.get("this"):
            _refuse(f"the value {node.sql()} has a name; write `?`")
        elif isinstance(node, exp.Lateral) and not isinstance(node.this, exp.Unnest | exp.Subquery):
            _refuse("LATERAL over a function is not run")
        elif isinstance(node, exp.Func):
            self._function(node)
        elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            # A function of some schema or catalog, whatever it may do.
            _refuse(f"the function {visible(node.sql(), 80)} has a schema; only functions of the engine's own are run")
        for child in node.iter_expressions():
            if child is not with_:
                self._node(child, known)

    def _ctes(self, with_: Any, known: frozenset[str]) -> frozenset[str]:
        """Check each table expression with those before it, as the engines see them, and return all."""
        for cte in with_.expressions:
            name = cte.alias.lower()
            if name in self._tables:
                _refuse(f"WITH gives the name of the table, {visible(name, 80)}, to something else; choose another")
            self._node(cte, known | {name} if with_.args.get("recursive") else known)
            known |= {name}
        return known

    def _table(self, table: Any, known: frozenset[str]) -> None:
        exp = self._exp
        if not isinstance(table.this, exp.Identifier):
            _refuse(f"{visible(table.sql(), 80)} is no table of trail logs; functions are not read from")
        parts = [part.name.lower() for part in table.parts]
        name = ".".join(parts)
        if (len(parts) == 1 and name in known) or name in self._tables:
            return
        _refuse(f"the table {visible(name, 80)} is not known; there is only {', '.join(sorted(self._tables))}")

    def _function(self, function: Any) -> None:
        exp = self._exp
        if isinstance(function, exp.Anonymous | exp.AnonymousAggFunc):
            name = str(function.this if isinstance(function.this, str) else function.name)
        elif isinstance(function, exp.And | exp.Or):
            return
        else:
            name = function.sql_name()
        if _REFUSED_FUNCTIONS.fullmatch(name):
            _refuse(f"the function {visible(name.lower(), 80)} is not run; it may reach beyond the table")


def _refuse(why: str) -> NoReturn:
    raise SqlRefused(f"the statement is refused: {why}")


def _said(error: Exception) -> str:
    # The parser marks the place with terminal codes.
    first = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return visible(first[0] if first else type(error).__name__, 300)
