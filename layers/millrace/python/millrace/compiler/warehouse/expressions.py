"""What an expression of a transform's SQL may hold, from what the columns that it names may. Used at build only."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import singledispatchmethod

from sqlglot import exp

from millrace.compiler.warehouse import ranges
from millrace.compiler.warehouse.ranges import SHORT_DIGITS, Fields, Items, Range, Text, Value

Columns = Mapping[str, Value]
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_INTEGERS = {exp.DType.INT: "int", exp.DType.BIGINT: "long"}
# Places in a list; an event is not large enough for more.
PLACES = Range(Decimal(1), Decimal(10) ** 6, 0, 64, zero=False)


class Scope:
    """The columns that an expression may name, and what an expression over them holds."""

    def __init__(self, sources: Mapping[str, Columns], report: Callable[[str], None]) -> None:
        """`report` is told, in a sentence, what may fail."""
        self._sources, self._report = sources, report
        # What the parameters of the lambdas around an expression hold.
        self._parameters: dict[str, Value] = {}

    def look_at(self, clause: exp.Expr | None) -> None:
        """Judges every number that a clause computes."""
        if clause is not None:
            for child in clause.iter_expressions():
                self.value(child)

    def value(self, node: exp.Expr) -> Value:
        """What an expression holds."""
        computed = self._of(node)
        if isinstance(computed, Range) and (problem := computed.problem()):
            self._wrong(node, problem)
            return ranges.of_type("double") if computed.scale is None else None
        return computed

    def _wrong(self, node: exp.Expr, sentence: str) -> None:
        self._report(f"{node.sql('duckdb')[:80]}: {sentence}")

    def _numbers(self, *nodes: exp.Expr) -> Sequence[Range] | None:
        held = [self.value(node) for node in nodes]
        found = [one for one in held if isinstance(one, Range)]
        return found if len(found) == len(held) else None

    @singledispatchmethod
    def _of(self, node: exp.Expr) -> Value:
        # No number, and what it holds may be made of numbers.
        self.look_at(node)
        return None

    @_of.register(exp.Subquery)
    @_of.register(exp.Query)
    def _query(self, node: exp.Expr) -> Value:
        self._wrong(node, "a query among the columns is nothing that bounds are known of")
        return None

    @_of.register
    def _wrapped(
        self, node: exp.Alias | exp.Paren | exp.Filter | exp.Window | exp.Distinct | exp.Ordered
    ) -> Value:
        for part in node.args.values():
            for child in part if isinstance(part, list) else (part,):
                if isinstance(child, exp.Expr) and child is not node.this:
                    self.look_at(child)
        return self.value(node.this) if isinstance(node.this, exp.Expr) else None

    @_of.register
    def _column(self, node: exp.Column) -> Value:
        sources = [self._sources.get(node.table, {})] if node.table else list(self._sources.values())
        return next((columns[node.name] for columns in sources if node.name in columns), None)

    @_of.register
    def _field(self, node: exp.Dot) -> Value:
        held = self.value(node.this)
        return held.fields.get(node.expression.name) if isinstance(held, Fields) else None

    @_of.register
    def _item(self, node: exp.Bracket) -> Value:
        held = self.value(node.this)
        return held.item if isinstance(held, Items) else None

    @_of.register
    def _parameter(self, node: exp.Identifier) -> Value:
        return self._parameters.get(node.name)

    @_of.register
    def _transformed(self, node: exp.Transform) -> Value:
        return Items(self._each(node))

    @_of.register
    def _filtered(self, node: exp.ArrayFilter) -> Value:
        self._each(node)
        return self.value(node.this)

    def _each(self, node: exp.Transform | exp.ArrayFilter) -> Value:
        """What a lambda makes of each item of a list."""
        held, (parameter,) = self.value(node.this), node.expression.expressions
        outside = self._parameters
        self._parameters = {**outside, parameter.name: held.item if isinstance(held, Items) else None}
        try:
            return self.value(node.expression.this)
        finally:
            self._parameters = outside

    @_of.register
    def _largest_of_list(self, node: exp.ArrayMax) -> Value:
        held = self.value(node.this)
        return held.item if isinstance(held, Items) else None

    @_of.register
    def _sum_of_list(self, node: exp.ArraySum) -> Value:
        held = self.value(node.this)
        item = held.item if isinstance(held, Items) else None
        return ranges.total(item, PLACES.high) if isinstance(item, Range) else None

    @_of.register
    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return None
        number = Decimal(node.name)
        scale = None if "e" in node.name.lower() else max(0, -int(number.as_tuple().exponent))
        bits = next((bits for bits in (32, 64) if number < 2 ** (bits - 1)), 128)
        exact = Range(number, number, scale, bits, number or Decimal(1), zero=number == 0)
        return (
            replace(exact, bits=64 if len(node.name) <= SHORT_DIGITS else 128, decimal=True)
            if scale
            else exact
        )

    @_of.register
    def _cast(self, node: exp.Cast) -> Value:
        # A constant of a decimal is written as a text, so that no engine reads it as a float.
        number = node.this.is_string and _NUMBER.fullmatch(node.this.name)
        held, into = self.value(exp.Literal.number(number[0]) if number else node.this), _target(node.to)
        if into is None:
            if (
                isinstance(held, Text)
                and not isinstance(node, exp.TryCast)
                and not node.to.is_type(*exp.DataType.TEXT_TYPES)
            ):
                self._wrong(node, "not every text is one: TRY_CAST")
            return Text() if node.to.is_type(*exp.DataType.TEXT_TYPES) else None
        if isinstance(node.this, exp.Null):
            return into
        if isinstance(node, exp.TryCast):
            return into if not isinstance(held, Range) or not ranges.fits(held, into) else _as(held, into)
        if not isinstance(held, Range):
            self._wrong(node, "nothing is known of the bounds of what it casts")
            return into
        if not ranges.fits(held, into):
            self._wrong(node, f"it may be {held.most:.3g}")
            return into
        return _as(held, into)

    @_of.register
    def _arithmetic(self, node: exp.Add | exp.Sub | exp.Mul | exp.Mod) -> Value:
        held = self._numbers(node.left, node.right)
        if held is None:
            return None
        left, right = held
        match node:
            case exp.Add():
                return ranges.add(left, right)
            case exp.Sub():
                return ranges.add(left, ranges.negate(right))
            case exp.Mul():
                return ranges.multiply(left, right)
        if right.zero:
            self._wrong(node, "it may divide by zero: NULLIF")
        return ranges.remainder(left, right)

    @_of.register
    def _negative(self, node: exp.Neg) -> Value:
        held = self.value(node.this)
        return ranges.negate(held) if isinstance(held, Range) else None

    @_of.register
    def _division(self, node: exp.Div) -> Value:
        held = self._numbers(node.left, node.right)
        if held is None:
            return None
        if held[1].zero:
            self._wrong(node, "it may divide by zero: NULLIF")
            return ranges.of_type("double")
        of = self._mean_of(node)
        return ranges.mean(of) if of is not None else ranges.divide(*held)

    def _mean_of(self, node: exp.Div) -> Range | None:
        """What a quotient is the mean of: a sum by the count of the same rows."""
        (total, chosen), (rows, counted) = _aggregate(node.left), _aggregate(node.right)
        if not isinstance(total, exp.Sum) or not isinstance(rows, exp.Count) or chosen != counted:
            return None
        if not isinstance(rows.this, exp.Star) and rows.this != total.this:
            return None
        held = self.value(total.this)
        return held if isinstance(held, Range) else None

    @_of.register
    def _floor(self, node: exp.Floor) -> Value:
        held = self.value(node.this)
        return ranges.floor(held) if isinstance(held, Range) else None

    @_of.register
    def _case(self, node: exp.Case) -> Value:
        for part in node.args["ifs"]:
            self.look_at(part.this)
        default = node.args.get("default")
        return self._one_of([part.args["true"] for part in node.args["ifs"]] + ([default] if default else []))

    @_of.register
    def _coalesce(self, node: exp.Coalesce) -> Value:
        return self._one_of([node.this, *node.expressions])

    def _one_of(self, nodes: Sequence[exp.Expr]) -> Value:
        return ranges.hull([self.value(node) for node in nodes if not isinstance(node, exp.Null)])

    @_of.register
    def _nullif(self, node: exp.Nullif) -> Value:
        held, other = self.value(node.this), node.expression
        if isinstance(held, Range) and isinstance(other, exp.Literal) and Decimal(other.name) == 0:
            return replace(held, zero=False)
        return held

    @_of.register
    def _least_or_largest(
        self, node: exp.Min | exp.Max | exp.ArgMin | exp.ArgMax | exp.Lag | exp.Lead
    ) -> Value:
        return self.value(node.this)

    @_of.register
    def _sum(self, node: exp.Sum) -> Value:
        held = self.value(node.this)
        return ranges.total(held) if isinstance(held, Range) else None

    @_of.register
    def _count(self, node: exp.Count) -> Value:
        # Who groups has a row in each group.
        every = isinstance(node.this, exp.Star) and not isinstance(node.parent, exp.Filter | exp.Window)
        return ranges.count(least=1 if every else 0)

    @_of.register
    def _place(self, _: exp.RowNumber) -> Value:
        return Range(Decimal(1), ranges.ROWS, 0, 64, zero=False)

    @_of.register
    def _length(self, _: exp.ArraySize) -> Value:
        return replace(PLACES, low=Decimal(0), zero=True)

    @_of.register
    def _seconds(self, _: exp.TimeToUnix) -> Value:
        # Of years 1 to 9999.
        return Range(Decimal(-62_135_596_800), Decimal(253_402_300_800), None, step=Decimal(0))


def _target(to: exp.DataType) -> Range | None:
    """What a type of SQL holds; None for what is not a number."""
    if to.is_type(*_INTEGERS):
        return ranges.of_type(_INTEGERS[to.this])
    if to.is_type(*exp.DataType.FLOAT_TYPES):
        return ranges.of_type("double")
    if to.is_type(exp.DType.DECIMAL):
        sizes = [int(one.name) for one in to.expressions]
        precision, scale = (*sizes, *(18, 3)[len(sizes) :])
        return ranges.decimal(precision, scale)
    return None


def _as(held: Range, into: Range) -> Range:
    """A number in another type, in which it fits."""
    step = held.step if into.scale is None else max(held.step, into.step)
    zero = held.zero or (into.scale is not None and held.step < into.step)
    return replace(into, low=held.low, high=held.high, step=step, zero=zero, counted=held.counted)


def _aggregate(node: exp.Expr) -> tuple[exp.Expr, exp.Expr | None]:
    """What is cast or set apart from zero, and the rows that it is of; None is all."""
    while isinstance(node, exp.Cast | exp.Paren | exp.Nullif):
        node = node.this
    return (node.this, node.expression) if isinstance(node, exp.Filter) else (node, None)
