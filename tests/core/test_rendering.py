import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template
from recado_core import ContentError
from recado_core.engine.templates import rendering
from recado_core.engine.templates.rendering import (
    MissingVariableError,
    check,
    optional_in,
    render,
    variables_of,
)

PERSON = {"name": "Ana", "age": 30, "city": {"name": "Recife"}, "orders": ["a1", "a2"]}
PERSON["cart"] = {"items": 3, "keys": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no placeholder", "no placeholder"),
        ("Olá, {{ name }}!", "Olá, Ana!"),
        ("Olá, {{name}}!\n", "Olá, Ana!\n"),
        ("{{ age }} anos", "30 anos"),
        ("{{ city.name }}: {{ orders[1] }}", "Recife: a2"),
        ("{{ name|upper }} {{ nick|default('sem apelido') }}", "ANA sem apelido"),
        ("{% if age >= 18 and name %}maior{% else %}menor{% endif %}", "maior"),
        ("{% if nick is defined %}{{ nick }}{% endif %}.", "."),
        ("{{ orders|length }}: {{ orders|last }}", "2: a2"),
        ("{{ '{{' }} <b> & \"", '{{ <b> & "'),
        ("{{ cart.items }} {{ cart['keys'] }} {{ cart.get|default('no') }}", "3 2 no"),
        ("{# a note #}oi", "oi"),
    ],
)
def test_placeholders_are_filled(text, expected):
    assert render(text, PERSON) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Olá, {{ surname }}!", "surname"),
        ("{{ city.zip }}", "zip"),
        ("{% if nick %}x{% endif %}", "nick"),
        ("{{ range }}", "range"),
        ("{{ city.items }}", "items"),
        ("{{ name.upper }}", "upper"),
        ("{{ orders[7] }}", "7"),
        ("{{ dict }}", "dict"),
    ],
)
def test_a_missing_variable_is_an_error_that_names_it(text, name):
    with pytest.raises(ContentError, match=f"missing: .*{name}"):
        render(text, PERSON)


def test_a_variable_that_is_null_is_missing():
    with pytest.raises(ContentError, match="missing: 'name'"):
        render("Olá, {{ name }}!", {"name": None})


@pytest.mark.parametrize(
    "text", ["{{ city }}", "{{ orders }}", "{{ city.gone }}", "{{ paid }}", "{{ paid == 1 }}"]
)
def test_only_texts_and_numbers_are_written(text):
    with pytest.raises(ContentError, match="filled"):
        render(text, {"city": {"gone": None}, "orders": ["a1"], "paid": True})
    assert render("{% if paid %}x{% endif %}", {"paid": True}) == "x"


@pytest.mark.parametrize("text", ["{{ name", "{{ }}", "{% if %}", "{% nonsense %}", "{{ a b }}"])
def test_a_text_that_is_no_template_is_an_error(text):
    with pytest.raises(ContentError, match="placeholders can't be filled"):
        render(text, PERSON)


@pytest.mark.parametrize(
    "text",
    [
        # ways out of the sandbox
        "{{ name.__class__ }}",
        "{{ name['__class__'] }}",
        "{{ name.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(name) }}",
        "{{ (name|attr('__class__')) }}",
        "{{ orders|map(attribute='__class__')|list }}",
        "{% include 'secrets' %}",
        "{% import 'os' as os %}",
        "{% set orders = [] %}",
        "{{ orders.append('a3') }}",
        # ways to keep the gateway busy, or to fill its memory
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ name * 1000000000 }}",
        "{{ '%1000000000d' % age }}",
        "{{ name|center(1000000000) }}",
        "{{ orders|join(name) }}",
        "{{ name.zfill(1000000000) }}",
        "{{ '{:>1000000000}'.format(name) }}",
        "{{ age|round(1000000000, 'floor') }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ " + "(" * 1000 + "name" + ")" * 1000 + " }}",
        "{{ name.upper }}",
        "{% if a %}" * 99 + "x" + "{% endif %}" * 99,
        "{% if a %}" * 100 + "x" + "{% endif %}" * 100,
        "{% if a %}" * 101 + "x" + "{% endif %}" * 101,
        "{% if a %}" * 110 + "x" + "{% endif %}" * 110,
        "{{ name" + "|title" * 18 + " }}",
        "{{ name" + "|title" * 199 + " }}",
        "{{ name" + "|title" * 201 + " }}",
        "{{ name" + "|title" * 1600 + " }}",
        "{{ orders" + "[0]" * 190 + " }}",
        "{{ city" + ".b" * 300 + " }}",
        "{% if " + "not " * 300 + "name %}{% endif %}",
        "{{ name" + " if name else name" * 300 + " }}",
        "{{name}}" * 1001 + "{{age}}" * 1000,
        "{{ name|trim(name) }}",
        "{{ name|trim(chars=name) }}",
        "{{ name|trim(*orders) }}",
        "{{ name|default(**city) }}",
    ],
    ids=lambda text: text[:40],
)
def test_a_template_does_nothing_but_fill_placeholders(text):
    with pytest.raises(ContentError):
        render(text, PERSON)


def test_a_text_as_deep_as_may_be_is_filled():
    assert render("{% if age %}" * 17 + "{{ name }}" + "{% endif %}" * 17, PERSON) == "Ana"
    assert render("{{ name" + "|lower" * 17 + " }}", PERSON) == "ana"
    assert render("{{ name }}" * 999, PERSON) == "Ana" * 999


def test_what_python_can_not_compile_is_no_template(monkeypatch):
    monkeypatch.setattr(rendering, "MOST_LEVELS", 400)
    for text in (
        "{% if age %}" * 110 + "x" + "{% endif %}" * 110,  # an IndentationError
        "{{ name" + "|title" * 250 + " }}",
    ):
        with pytest.raises(ContentError, match="no template"):
            check(text)
        with pytest.raises(ContentError, match="filled"):
            render(text, PERSON)


@pytest.mark.parametrize(
    "variables",
    [
        {"name": "x" * 10_001},
        {"name": "a", "orders": [{"a": ["x" * 10_001]}]},
        {"name": "a"} | {f"n{index}": "x" * 10_000 for index in range(10)},
        {"name": "a", "orders": [1] * 100_000},
        {"name": "a", "orders": [[]] * 100_000},
        {"name": "a", "city": {"x" * 100_000: 1}},
    ],
)
def test_variables_have_an_end(variables):
    with pytest.raises(ContentError, match="too long"):
        render("{{ name }}", variables)
    assert render("no placeholder", variables) == "no placeholder"


def test_variables_as_long_as_may_be_are_filled():
    variables = {f"n{index}": "x" * 9_900 for index in range(10)} | {"orders": [1, 2]}
    assert render("{{ n0 }}{{ n9 }}", variables) == "x" * 19_800


@pytest.mark.parametrize(
    "once",
    [
        "{% if a|title %}{% endif %}",
        "{% if a == b %}{% endif %}",
        "{% if 1 in orders %}{% endif %}",
        "{{ '" + "x" * 9_000 + "'|upper|trim if no }}",
    ],
)
def test_a_text_goes_through_its_variables_so_often_and_no_more(once):
    variables = {"a": "a " * 1000, "b": "b", "orders": [2] * 4000, "no": 0}
    assert not render(once, variables)
    with pytest.raises(ContentError, match="too long for so many"):
        render(
            (once * 100)[:9_900].rpartition("}")[0] + "}" + "{{ a|upper|lower }}" * 20, variables
        )


def test_filters_that_go_through_nothing_are_not_counted():
    text = "{{ a|default('x')|length }}" * 300
    assert render(text, {"a": "x" * 9_000}) == "9000" * 300


def test_all_missing_variables_are_found_in_one_more_round(monkeypatch):
    rounds = []
    generate = Template.generate

    def counted(*given):
        rounds.append(1)
        return generate(*given)

    monkeypatch.setattr(Template, "generate", counted)
    names = [f"n{index}" for index in range(500)]
    with pytest.raises(MissingVariableError) as caught:
        render("".join(f"{{{{ {name} }}}}" for name in names), {})
    assert caught.value.names == names
    assert len(rounds) == 2


@pytest.mark.parametrize(
    "use",
    [
        "{{ gone }}",
        "{{ gone.part }}",
        "{{ gone[0] }}",
        "{{ gone|upper }}",
        "{{ gone|length }}",
        "{{ gone|last|default('') }}",
        "{% if not gone %}{% endif %}",
        "{% if gone == 1 %}{% endif %}",
        "{% if gone != 1 %}{% endif %}",
        "{% if gone < 1 %}{% endif %}",
        "{% if 1 >= gone %}{% endif %}",
        "{% if 1 in gone %}{% endif %}",
    ],
)
def test_what_is_missing_is_named_however_it_is_used(use):
    text = "{{ gone|default('') }}{% if gone is defined %}{{ other }}{% endif %}" + use + "{{ z }}"
    with pytest.raises(MissingVariableError) as caught:
        render(text, {})
    assert caught.value.names == ["gone", "z"]


def test_the_variables_are_left_as_they_are():
    variables = {"name": None, "orders": ["a1"]}
    render("{{ orders|first }}", variables)
    assert variables == {"name": None, "orders": ["a1"]}


def test_what_a_template_writes_has_an_end():
    with pytest.raises(ContentError, match="too long"):
        render("{{ name }}" * 11, {"name": "x" * 10_000})


@pytest.mark.parametrize(
    ("text", "names", "optional"),
    [
        ("no placeholder", [], []),
        ("{{ b }} {{ a }} {{ b }}", ["b", "a"], []),
        ("{{ city.name }} {{ orders[which] }}", ["city", "orders", "which"], []),
        ("{{ nick|default('x') }}", ["nick"], ["nick"]),
        ("{{ (nick|default(name))|upper }}", ["nick", "name"], ["nick"]),
        ("{{ nick|default('x') }} {{ nick }}", ["nick"], []),
        ("{{ city.name|default('x') }}", ["city"], []),
        ("{% if a is defined %}{{ a }}{% endif %}", ["a"], ["a"]),
        ("{% if a is defined and a > 2 %}{{ a }}{% else %}{{ b }}{% endif %}", ["a", "b"], ["a"]),
        ("{% if b %}x{% elif a is defined %}{{ a }}{% endif %}", ["b", "a"], ["a"]),
        ("{% if a is defined %}x{% else %}{{ a }}{% endif %}", ["a"], []),
        ("{% if not a is defined %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a is defined or b %}{{ a }}{% endif %}", ["a", "b"], []),
        ("{{ a if a is defined else b }}", ["a", "b"], ["a"]),
        ("{{ a if a is defined }}", ["a"], ["a"]),
        ("{# {{ a }} #}{{ '{{ b }}' }}", [], []),
    ],
)
def test_the_variables_of_a_text_are_listed_and_which_may_be_missing(text, names, optional):
    assert variables_of(text) == names
    assert optional_in(text) == optional


@pytest.mark.parametrize("text", ["{{ name", "{% for a in b %}{% endfor %}", "{{ a() }}"])
def test_a_text_that_is_no_template_has_no_variables_to_list(text):
    for look in (check, variables_of, optional_in):
        with pytest.raises(ContentError, match="no template"):
            look(text)


def test_every_missing_variable_is_named_that_the_text_comes_to():
    text = "{{ b }}{{ a }}{% if vip %}{{ gift }}{% endif %}{{ nick|default('') }}{{ age }}"
    with pytest.raises(MissingVariableError) as caught:
        render(text, {"age": 30, "b": None})
    assert caught.value.names == ["b", "a", "vip"]


def test_a_missing_part_of_a_variable_is_no_missing_variable():
    with pytest.raises(MissingVariableError, match="zip") as caught:
        render("{{ city.zip }}", PERSON)
    assert caught.value.names == []


NAMES = st.sampled_from(["a", "b", "c", "name", "_x1"])


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.booleans())), st.sets(NAMES))
def test_what_a_text_needs_is_what_it_can_not_do_without(uses, given_names):
    text = " ".join(f"{{{{ {n}|default('d') }}}}" if o else f"{{{{ {n} }}}}" for n, o in uses)
    needed = [name for name in variables_of(text) if name not in optional_in(text)]
    missing = [name for name in needed if name not in given_names]
    variables = dict.fromkeys(given_names, "v")
    if missing:
        with pytest.raises(MissingVariableError) as caught:
            render(text, variables)
        assert sorted(caught.value.names) == sorted(missing)
    else:
        render(text, variables)
