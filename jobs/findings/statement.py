"""SQL that a person gives, read token by token before Polars sees it: one statement, over the tables of the run alone.

Polars' SQL has table functions that open any file or address, such as ``read_csv('https://...')``, under any spelling of
quotes, case and comments. So only a function that is known to compute is passed on: a name before a parenthesis must be one
of `FUNCTIONS` or a word of the language. What is executed is put together again from the tokens, without the comments,
so that what was checked is what runs.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from filterscope.pipeline.engine.errors import InputError

#: Functions of Polars' SQL that compute from what they are given.
FUNCTIONS = frozenset(
    """
    abs acos acosd all approx_quantile array_agg array_contains array_get array_length array_lower array_mean array_reverse
    array_sum array_to_string array_unique array_upper asin asind atan atan2 atan2d atand avg bit_and bit_count bit_length
    bit_not bit_or bit_xor bitand bitcount bitnot bitor bitxor cbrt ceil ceiling char_length character_length coalesce
    columns concat concat_ws corr cos cosd cot cotd count covar covar_pop covar_samp cume_dist current_date current_time
    current_timestamp date date_part date_trunc datetime day degrees dense_rank div ends_with erf erfc exp first first_value
    floor greatest grouping hour if ifnull initcap interval lag last last_value lead least left length listagg ln log log10
    log1p log2 lower lpad ltrim max median min minute mod month normalize now nth_value ntile nullif octet_length
    percent_rank pi pow power quantile_cont quantile_disc radians rank regexp_like regexp_replace replace reverse right
    round row_number rpad rtrim second sign sin sind split_part sqrt starts_with stddev stddev_samp stdev stdev_samp
    strftime string_agg string_to_array strpos strptime struct substr substring sum tan tand time timestamp trim trunc
    truncate unnest upper var var_samp variance xor year
    """.split()  # noqa: SIM905
)

#: Words of the language that a parenthesis may follow.
_WORDS = frozenset(
    """
    and any array as between by case cast char character cube decimal distinct else except exclude exists explain extract
    filter from group having float ilike in intersect into is join like limit not numeric offset on or order over partition
    position qualify recursive rename rollup select sets similar some then to try_cast union using values varchar varying
    when where with within
    """.split()  # noqa: SIM905
)

#: A name before which nothing is called: columns of an alias or of a common table expression.
_NAMED_BY = frozenset(("as", "with", "recursive"))

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n\r]*)
      | (?P<string>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
      | (?P<word>[^\W\d]\w*)
      | (?P<number>\d[\w.]*)
      | (?P<sign>[^\s'"`\w$])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of a statement: string, quoted, word, number or sign, and its text."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """A word or quoted name as functions are looked up, empty for what is no name."""
        if self.kind == "quoted":
            return self.text[1:-1].lower()
        return self.text.lower() if self.kind == "word" else ""


def checked(sql: str) -> str:
    """Return a statement put together again from its tokens; that it is one alone is left to Polars.

    Parameters
    ----------
    sql : str
        What a person gave.

    Raises
    ------
    InputError
        If it cannot be read, or calls a function that is not known to compute.
    """
    text = "".join(token.text if token.kind != "space" else " " for token in _tokens(sql)).rstrip("; ")
    tokens = [token for token in _tokens(text) if token.kind != "space"]
    for before, here, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if here.name and after == Token("sign", "("):
            _refuse_unknown(here, before, sql)
    return text


def _tokens(sql: str) -> Iterator[Token]:
    """Yield the tokens of a statement; a comment is a space."""
    at, last = 0, Token("space", " ")
    while at < len(sql):
        if sql.startswith("/*", at):
            at, last = _after_comment(sql, at), Token("space", " ")
            yield last
            continue
        found = _TOKEN.match(sql, at)
        if found is None or found.lastgroup is None:
            raise InputError(
                f"cannot read the statement from {sql[at : at + 20]!r} on: a quote is open, or that is no SQL"
            )
        if found.lastgroup == "string" and (
            last.text == "&" or (len(last.text) == 1 and last.name not in ("", "x", "b"))
        ):
            # E'...', N'...', U&'...': their escapes are read in another way
            raise InputError(f"received a string after {last.text}; give it in plain single quotes")
        at, last = found.end(), Token(found.lastgroup, found.group())
        yield last


def _after_comment(sql: str, start: int) -> int:
    depth = 0
    for found in re.finditer(r"/\*|\*/", sql[start:]):
        depth += 1 if found.group() == "/*" else -1
        if depth == 0:
            return start + found.end()
    raise InputError("a comment /* is not closed")


def _refuse_unknown(here: Token, before: Token | None, sql: str) -> None:
    known = here.name in FUNCTIONS or (here.kind == "word" and here.name in _WORDS)
    if known or (before is not None and before.name in _NAMED_BY and before.kind == "word"):
        return
    if here.name.startswith(("read_", "scan_")):
        raise InputError(f"received {here.text}(...); a query reads the tables of its run, and no file or address")
    raise InputError(f"cannot answer {sql!r}: unsupported function {here.name!r}")


__all__ = ["FUNCTIONS", "checked"]
