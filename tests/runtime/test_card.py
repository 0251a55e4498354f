"""A card is the same after a way through JSON, and refuses what cannot be."""

import json

import pytest

from i2i_runtime.card import Card


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
        ({"colour": "red"}, "card: unknown colour; choose from: product"),
    ],
)
def test_impossible_facts_are_refused(facts, sentence):
    with pytest.raises(ValueError, match=sentence):
        Card.from_dict({"product": "generator", "in_channels": 3, "out_channels": 3} | facts)


def test_a_missing_fact_is_named():
    with pytest.raises(ValueError, match=r"card: .*'product'"):
        Card.from_dict({"in_channels": 3, "out_channels": 3})
