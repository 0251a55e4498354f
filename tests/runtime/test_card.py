"""A card is the same after a way through JSON, and refuses what cannot be."""

import json
from dataclasses import fields

import pytest

from i2i_runtime.card import Card, NoiseCard
from i2i_runtime.schema import parse_json


def test_a_card_survives_json():
    card = Card(product="a_to_b", in_channels=1, out_channels=3, scale=4, multiple_of=8, overlap=36, recipe="r", step=7)
    assert Card.from_dict(json.loads(json.dumps(card.to_dict()))) == card


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"in_channels": 2}, r"card: in_channels is 2; choose from: 1 \(grey\), 3 \(RGB\), 4 \(RGBA\)"),
        ({"scale": 0}, "card: scale is 0; allowed: whole numbers from 1"),
        ({"overlap": -1}, "card: overlap is -1; allowed: whole numbers from 0"),
        ({"multiple_of": 2.5}, "card: multiple_of is 2.5"),
        ({"colour": "red"}, "card: unknown 'colour'; made by a newer version"),
        ({"multiple_of": 10**9}, "card: multiple_of is 1000000000; allowed: whole numbers from 1 to 4096"),
        ({"scale": True}, "card: scale is true; allowed: a whole number"),
        ({"size": [1, 0, 8]}, "card: size has 0; allowed: whole numbers from 1 to 32768"),
        ({"size": [1, 8]}, "card: size is a list; allowed: a list of 3"),
        ({"value_range": ["a", 1]}, "card: value_range is 'a'; allowed: a number"),
        ({"value_range": [0, float("nan")]}, "card: value_range is NaN; allowed: a number"),
        ({"product": 7}, "card: product is 7; allowed: text"),
        ({"product": "/tmp/x"}, "card: product is '/tmp/x'; allowed: a name, not a path"),
        ({"product": ".."}, "allowed: a name, not a path"),
        ({"proof": [1]}, "card: proof is a list, not a table"),
        ({"precision": "int4"}, "card: precision is 'int4'; choose from: float32, float16, int8"),
    ],
)
def test_impossible_facts_are_refused(facts, sentence):
    with pytest.raises(ValueError, match=sentence):
        Card.from_dict({"product": "generator", "in_channels": 3, "out_channels": 3} | facts)


def test_a_missing_fact_is_named():
    with pytest.raises(ValueError, match="card: 'product' is missing"):
        Card.from_dict({"in_channels": 3, "out_channels": 3})


@pytest.mark.parametrize("facts", [None, [], [1], 7, "card", True])
def test_what_is_no_table_is_no_card(facts):
    with pytest.raises(ValueError, match=r"card is .*, not a table of facts"):
        Card.from_dict(facts)


def test_facts_that_are_nested_too_deeply_are_one_sentence():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json('{"product": ' + "[" * 100_000)


KINDS_OF_VALUE = [None, True, -1, 0, 2**70, 10**9, 1.5, float("inf"), "x", "", [], [1] * 4, {}, {"a": [{}]}]


@pytest.mark.parametrize("kind", [Card, NoiseCard])
def test_any_value_of_any_field_is_taken_or_refused_in_a_sentence(kind):
    facts = {"product": "generator", "out_channels": 3}
    facts |= {"in_channels": 3} if kind is Card else {"latent": 8, "size": 16}
    refused = 0
    for each in fields(kind):
        for value in KINDS_OF_VALUE:
            try:
                kind.from_dict(facts | {each.name: value})
            except ValueError as error:
                refused += 1
                assert str(error).startswith(f"card: {each.name} ") and len(str(error)) < 200
    assert refused > len(fields(kind)) * len(KINDS_OF_VALUE) / 2
