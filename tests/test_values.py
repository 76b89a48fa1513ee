"""Decimals against Python's own, and what is refused."""

import re
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from beurs import engine
from beurs.errors import DecimalError, InputError
from beurs.values import Side, Step, TimeInForce, decimal_text

GRAMMAR = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", re.ASCII)
LARGEST = 2**53 - 1

steps = st.builds(
    Step, mantissa=st.one_of(st.sampled_from([1, 5, 25]), st.integers(1, 10**6)), scale=st.integers(0, 18)
)
texts = st.from_regex(GRAMMAR, fullmatch=True)


@given(texts, steps)
def test_a_text_is_a_count_exactly_when_decimal_says_so(text, step):
    size = Decimal(step.mantissa).scaleb(-step.scale)
    count, rest = divmod(Decimal(text).scaleb(18), size.scaleb(18))
    if rest == 0 and count <= LARGEST:
        assert step.count(text, "price") == count
    else:
        with pytest.raises(DecimalError) as failed:
            step.count(text, "price")
        assert failed.value.field == "price"
        assert failed.value.code == ("not_a_multiple" if rest else "too_large")


@given(st.integers(0, LARGEST), steps)
def test_a_count_survives_its_text(count, step):
    text = step.text(count)
    assert Decimal(text) == Decimal(count * step.mantissa).scaleb(-step.scale)
    assert not ("." in text and text.endswith("0"))
    assume(GRAMMAR.fullmatch(text))
    assert step.count(text, "price") == count


@given(texts, st.integers(0, 18))
def test_an_amount_is_that_of_decimal(text, scale):
    unit = Step(1, scale)
    units = Decimal(text).scaleb(scale)
    if units == units.to_integral_value():
        assert unit.units(text, "amount") == units
        assert Decimal(unit.text(int(units))) == Decimal(text)
    else:
        with pytest.raises(DecimalError):
            unit.units(text, "amount")


@given(st.integers(-(10**36), 10**36), st.integers(0, 18))
def test_every_amount_has_a_text(units, scale):
    assert Decimal(engine.format_amount(units, scale)) == Decimal(units).scaleb(-scale)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**12))
def test_a_decimal_is_its_text(value):
    assert Step(1, 6).units(value, "amount") == int(value.scaleb(6))


@given(st.text(max_size=45))
def test_what_is_not_the_grammar_is_refused(text):
    assume(not GRAMMAR.fullmatch(text))
    with pytest.raises(DecimalError):
        Step(1, 8).count(text, "price")


@pytest.mark.parametrize("value", [0.1, 1, True, None, b"1", ["1"], object()])
def test_other_types_are_refused_by_name(value):
    with pytest.raises(TypeError, match="quantity"):
        decimal_text(value, "quantity")


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "sNaN", "1E+1000000", "1E-1000000", "-1", "-0", "1E+19", "1E-19"]
)
def test_decimals_outside_the_grammar_are_refused(value):
    with pytest.raises(DecimalError, match="price"):
        Step(1, 2).count(Decimal(value), "price")


@pytest.mark.parametrize(
    ("text", "mantissa", "scale"), [("0.01", 1, 2), ("0.05", 5, 2), ("1", 1, 0), ("1000", 1000, 0), ("2.50", 25, 1)]
)
def test_steps_are_read(text, mantissa, scale):
    assert Step.of(text, "tick_size") == Step(mantissa, scale)
    assert Decimal(str(Step(mantissa, scale))) == Decimal(text)


@pytest.mark.parametrize("text", ["0", "0.0", "99999999999999999.999999999999999999", "-1", ""])
def test_steps_that_are_none_are_refused(text):
    with pytest.raises(DecimalError, match="tick_size"):
        Step.of(text, "tick_size")


def test_enum_members_are_their_text_and_have_a_number():
    assert Side.BUY == "buy"
    assert (Side.BUY.number, Side.SELL.number) == (1, 2)
    assert Side.BUY.opposite is Side.SELL
    assert TimeInForce.of("ioc", "time_in_force") is TimeInForce.IOC
    assert Side.of_number(2) is Side.SELL


@pytest.mark.parametrize("value", ["BUY", "", "buy ", 1, None, "b" * 10**6])
def test_other_words_are_refused(value):
    with pytest.raises(InputError, match="side: must be one of buy, sell"):
        Side.of(value, "side")
