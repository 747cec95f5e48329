"""What PostgreSQL does for each statement that runs often, over tables large and skewed enough that it matters.

Plans are the generic ones, which hold for any parameters: a connection of the service keeps a statement prepared for
hours, and settles on such a plan. The tables are small for a database and large for a plan: walking the smallest of
them costs a hundred times a look into its index. One pass is followed by a tenth of all phones, and one push token is
shared by hundreds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from engines import aside
from livepass.store import postgres_schema, postgres_statements
from servers.postgres import require
from store.test_plans import NEXT, RARE

ROWS = 20_000
BIG = {"pass", "device", "registration", "push_target", "event"}
KEY = re.compile(r"\b(?:device_id|serial|push_token|target)\)?(?:::text)? = |= \w*\.?(?:device_id|serial|push_token)\b")
"""A condition on part of a key. As a filter, it means that rows of others were walked to find ours."""
STATEMENTS = postgres_statements.statements()

FILL = f"""
INSERT INTO pass_type (pass_type, tenant, team, created_at)
SELECT name, 'default', 'T', 1 FROM unnest(ARRAY['large', 'small']) name;
INSERT INTO counter SELECT pass_type, 'e', {ROWS}, 0, 0, 0, NULL FROM pass_type;
INSERT INTO template VALUES ('default', 'membership', 'r1');
CREATE TABLE one AS SELECT n, CASE WHEN n % 200 = 0 THEN 'small' ELSE 'large' END AS pass_type, 's' || n AS serial,
       md5(n::text) AS device, md5((n - n % 400 / 200 * (n % 200))::text) || 'token' AS token
  FROM generate_series(1, {ROWS}) n;
INSERT INTO pass SELECT pass_type, serial, n, 1, 1, 'sha', convert_to(repeat('x', 900), 'UTF8'), 'membership', 'r1',
       0, NULL, '{{}}', '{{}}', 'k', 's', NULL, 0, 1, 1 FROM one;
INSERT INTO device SELECT pass_type, device, token, 1, n, n, 1 FROM one;
INSERT INTO registration SELECT pass_type, device, CASE WHEN n % 10 = 1 THEN 's1' ELSE serial END, n, n, 1, NULL, NULL,
       n, 1, n, 0, CASE WHEN n % 500 = 1 THEN n END FROM one;
INSERT INTO push_target SELECT pass_type, push_token, 1, max(asked), max(asked) - max(asked) % 20 / 19, max(asked),
       0, 0, 0, 1, 0, NULL, NULL, 0, NULL, NULL, NULL FROM device GROUP BY pass_type, push_token;
INSERT INTO fan_out SELECT pass_type, 'changed', 's' || n, n, n, 0, n, '', '~', ''
  FROM pass_type, generate_series(1, 9) n;
INSERT INTO event (at, kind, pass_type, serial, device_id, target, seq, detail)
SELECT n, CASE WHEN n % 500 = 0 THEN 'testified' WHEN n % 7777 = 0 THEN 'new_epoch' ELSE 'pushed' END, pass_type,
       CASE WHEN n % 3 = 0 THEN serial END, CASE WHEN n % 3 = 1 THEN device END, CASE WHEN n % 3 = 2 THEN token END,
       n, '{{}}' FROM one;
DROP TABLE one;
"""


@pytest.fixture(scope="module")
def plans() -> Mapping[str, Any]:
    """The generic plan of each statement, as PostgreSQL's JSON has it."""
    url = require().create_database()
    aside(postgres_schema.upgrade(url, uuid="u", now=1))
    return aside(_plans(url))


async def _plans(url: str) -> Mapping[str, Any]:
    db = await asyncpg.connect(url)
    try:
        await db.execute(FILL)
        await db.execute("VACUUM ANALYZE")
        await db.execute("SET plan_cache_mode = force_generic_plan")
        found = {}
        for name, statement in STATEMENTS.items():
            nothing = f"({', '.join(['NULL'] * len(statement.names))})" if statement.names else ""
            await db.execute(f"PREPARE _{name} AS {statement.sql}")
            [plan] = json.loads(await db.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE _{name}{nothing}"))
            found[name] = plan["Plan"]
        return found
    finally:
        await db.close()


def steps(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from steps(below)


def walks(plan: Mapping[str, Any]) -> Iterator[str]:
    """The steps of a plan whose work grows with a table or with a pass type, in a few words each."""
    for step in steps(plan):
        kind, table = step["Node Type"], step.get("Relation Name", "")
        condition, kept = step.get("Index Cond", ""), step.get("Filter", "")
        if kind == "Seq Scan" and table in BIG:
            yield f"Seq Scan on {table}"
        if "Index" in kind and not re.search(r" AND |\bid\b|retell_at", condition):
            yield f"{kind} with {step['Index Name']} where {condition or 'anything'}"
        if table in BIG and "Scan" in kind and KEY.search(kept):
            yield f"{kind} on {table} filtered by {kept}"


@pytest.mark.parametrize("name", sorted(set(STATEMENTS) - RARE))
def test_nothing_on_a_frequent_path_walks_a_table_or_a_pass_type(plans: Mapping[str, Any], name: str) -> None:
    found = list(walks(plans[name]))
    if name in NEXT:
        found = [step for step in found if "push_target_due" not in step]
    assert not found, found


@pytest.mark.parametrize("name", ["prune_events", "prune_dead"])
def test_a_chore_looks_at_what_is_old_and_not_at_everything(plans: Mapping[str, Any], name: str) -> None:
    assert not any("Seq Scan" in step for step in walks(plans[name]))


def test_when_a_phone_left_is_found_without_the_other_phones_of_the_pass(plans: Mapping[str, Any]) -> None:
    [used] = [step for step in steps(plans["last_left"]) if "Index Name" in step]
    assert used["Index Name"] == "event_left" and "device_id" in used["Index Cond"], used


def test_serials_that_begin_so_are_a_range_of_the_index(plans: Mapping[str, Any]) -> None:
    [used] = [step for step in steps(plans["passes_beginning"]) if step.get("Relation Name") == "pass"]
    assert all(bound in used["Index Cond"] for bound in ("pass_type = ", "serial >= ", "serial < ")), used


def test_what_counts_as_a_walk_is_recognised(plans: Mapping[str, Any]) -> None:
    assert any("Seq Scan" in step for step in walks(plans["stats"]))
    assert any("filtered by" in step for step in walks(plans["registrations"]))
