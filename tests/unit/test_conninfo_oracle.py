"""Connection strings are understood as libpq does: generated ones, with libpq as the oracle."""

import string

import psycopg2
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from paf.instance import conninfo

#: Keywords that each libpq knows.
KEYWORDS = ("host", "port", "dbname", "user", "password", "application_name", "options", "passfile",
            "service", "sslmode", "sslpassword", "target_session_attrs", "connect_timeout",
            "replication")
WORDS = st.text(alphabet="ab1 \t'\\=@:/?&%,[].é\"#", max_size=8)
PIECES = st.one_of(
    WORDS, st.sampled_from(KEYWORDS),
    st.sampled_from(["=", " = ", "'", "\\'", "\\\\", " ", "\n", "%20", "%2", "%00", "&", "?", "@",
                     "postgres://", "postgresql://", "ssl=true", "password=it's", "[::1]", "''"]))


def libpq(text):
    """Return what libpq makes of a connection string (dict), None where it refuses it."""
    try:
        return parse_dsn(text)
    except UnicodeDecodeError:
        assume(False)    # psycopg2 has no text for what libpq accepts: bytes that are no UTF-8
    except psycopg2.ProgrammingError:
        return None


def ours(text):
    """Return the same for our parser."""
    try:
        return conninfo.values(text)
    except conninfo.Malformed:
        return None


def agree(text):
    expected, found = libpq(text), ours(text)
    if expected is None and found is not None:
        assert set(found) - set(KEYWORDS)    # each release has its own: libpq alone refuses others
        return
    assert found == expected, text


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=8))
def test_any_text_means_the_same(pieces):
    text = "".join(pieces)
    if "\0" not in text:
        agree(text)


def escaped(value):
    return value.replace("\\", "\\\\").replace("'", "\\'")


WRITTEN = {"raw": str, "quoted": lambda value: f"'{escaped(value)}'",
           "bare": lambda value: escaped(value).replace(" ", "\\ ").replace("\t", "\\\t")}


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), st.sampled_from(["=", " = ", "=  ", "\t="]),
                          WORDS, st.sampled_from(["bare", "quoted", "raw"]),
                          st.sampled_from([" ", "\n", "  "])), max_size=5))
@example([("password", "=", "it's", "raw", " ")])
@example([("password", "=", "ab'key=xyz", "raw", " ")])
def test_keywords_and_values_mean_the_same(parts):
    text = ""
    for keyword, equals, value, how, end in parts:
        text += keyword + equals + WRITTEN[how](value) + end
    agree(text)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["postgres://", "postgresql://"]),
       st.sampled_from(["", "u@", "u:p@", ":p@", "u%20:p%40%2f@", "@", "u:a:b@", "u:@"]),
       st.lists(st.sampled_from(["", "h", "h:1", "[::1]", "[::1]:2", "[]", "[x", "h:", "%2Frun:3",
                                 ":5"]), min_size=1, max_size=3),
       st.sampled_from(["", "/", "/db", "/d%62", "/a/b"]),
       st.lists(st.tuples(st.sampled_from((*KEYWORDS, "ssl")), st.sampled_from(["=", "", "=="]),
                          st.sampled_from(["", "x", "true", "%41", "%zz", "a b", "é"])),
                max_size=3), st.sampled_from(["", "&", "?"]))
def test_uris_mean_the_same(prefix, user, hosts, database, parameters, end):
    query = "&".join("".join(part) for part in parameters)
    agree(prefix + user + ",".join(hosts) + database + ("?" + query if query else "") + end)


@given(st.lists(st.tuples(st.sampled_from(KEYWORDS), WORDS), max_size=6))
def test_what_is_built_is_parsed_back(pairs):
    assert conninfo.parse(conninfo.build(pairs)) == pairs
    assert libpq(conninfo.build(pairs)) == dict(pairs)


# No secret of any keyword is an argument

SECRET_WORDS = st.text(alphabet=string.ascii_letters + " '\\=@/%&?", min_size=3, max_size=12)


@pytest.mark.parametrize("keyword", conninfo.SECRETS)
@pytest.mark.parametrize("service", ["", " service=x"])
@given(rest=SECRET_WORDS)
def test_no_secret_is_part_of_the_target(keyword, service, rest):
    secret = "S3cret" + rest
    pairs = [("host", "a"), (keyword, secret), ("user", "rep")]
    found = conninfo.connection(conninfo.build(pairs) + service, (("replication", "true"),))
    assert "S3cret" not in found.target
    target = conninfo.values(found.target)
    assert (target["host"], target["user"], target["replication"]) == ("a", "rep", "true")
    if keyword == "password":
        assert found.environment["PGPASSWORD"] == secret
    elif service:
        assert found.stdin == "" and target["service"] == "x"
    elif secret == secret.rstrip():
        assert f"\n{keyword}={secret}\n" in found.stdin


def test_a_malformed_string_gives_no_part_of_a_value_away():
    for text in ("host=a password=S3 cret", "host=a password='S3cret", "postgres://u:S3%zz@h/",
                 "postgres://h/?password=S3=cret", "postgres://[S3cret"):
        with pytest.raises(conninfo.Malformed) as caught:
            conninfo.parse(text)
        assert "S3" not in str(caught.value) and "cret" not in str(caught.value)
