import pytest
from recado_core import ContentError
from recado_core.engine.rendering import render

PERSON = {"name": "Ana", "age": 30, "city": {"name": "Recife"}, "orders": ["a1", "a2"]}


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
        ("{{ dict }}", "dict"),
    ],
)
def test_a_missing_variable_is_an_error_that_names_it(text, name):
    with pytest.raises(ContentError, match=f"missing: .*{name}"):
        render(text, PERSON)


def test_a_variable_that_is_null_is_missing():
    with pytest.raises(ContentError, match="missing: 'name'"):
        render("Olá, {{ name }}!", {"name": None})


@pytest.mark.parametrize("text", ["{{ city }}", "{{ orders }}", "{{ city.gone }}"])
def test_only_texts_and_numbers_are_written(text):
    with pytest.raises(ContentError, match="filled"):
        render(text, {"city": {"gone": None}, "orders": ["a1"]})


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
    ],
    ids=lambda text: text[:40],
)
def test_a_template_does_nothing_but_fill_placeholders(text):
    with pytest.raises(ContentError):
        render(text, PERSON)


def test_the_variables_are_left_as_they_are():
    variables = {"name": None, "orders": ["a1"]}
    render("{{ orders|first }}", variables)
    assert variables == {"name": None, "orders": ["a1"]}


def test_what_a_template_writes_has_an_end():
    with pytest.raises(ContentError, match="too long"):
        render("{{ name }}" * 11, {"name": "x" * 10_000})
