from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.routing import RouteTable, decode_segments, parse_template

PRECEDENCE = [
    "updates/providers/{provider}/names/{name}/versions/{version}",
    "updates:import",
    "updates",
    "{resource}",
    "deployments/{deploymentId}",
    "deployments/{deploymentId}:cancel",
    "deployments/{deploymentId}:retry",
    "deployments/latest",
    "deployments/{number:int}",
    "deployments/{*rest}",
    "pages/{page:int?}",
    "sizes/{width}x{height}",
    "{**everything}",
]


def table(*templates: str) -> RouteTable[str]:
    return RouteTable((template, None, template) for template in templates)


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/updates", "updates", {}),
        ("/UPDATES/", "updates", {}),
        ("/updates:import", "updates:import", {}),
        ("/Updates%3AImport", "updates:import", {}),
        ("/updates:export", "{resource}", {"resource": "updates:export"}),
        ("/deployments/latest", "deployments/latest", {}),
        ("/deployments/7", "deployments/{number:int}", {"number": "7"}),
        ("/deployments/d7", "deployments/{deploymentId}", {"deploymentId": "d7"}),
        ("/deployments/a%2Fb", "deployments/{deploymentId}", {"deploymentId": "a/b"}),
        ("/deployments/d7:cancel", "deployments/{deploymentId}:cancel", {"deploymentId": "d7"}),
        (
            "/deployments/a:cancel:cancel",
            "deployments/{deploymentId}:cancel",
            {"deploymentId": "a:cancel"},
        ),
        ("/deployments/:cancel", "deployments/{deploymentId}", {"deploymentId": ":cancel"}),
        ("/deployments/d7:RETRY", "deployments/{deploymentId}:retry", {"deploymentId": "d7"}),
        ("/deployments/d7/devices", "deployments/{*rest}", {"rest": "d7/devices"}),
        ("/deployments", "deployments/{*rest}", {}),
        ("/pages", "pages/{page:int?}", {}),
        ("/pages/3", "pages/{page:int?}", {"page": "3"}),
        ("/pages/three", "{**everything}", {"everything": "pages/three"}),
        ("/sizes/2x3", "sizes/{width}x{height}", {"width": "2", "height": "3"}),
        ("/sizes/2x", "{**everything}", {"everything": "sizes/2x"}),
        ("/", "{**everything}", {}),
        ("/a//b", "{**everything}", {"everything": "a//b"}),
    ],
)
def test_a_path_finds_the_most_specific_template(
    path: str, template: str, values: dict[str, str]
) -> None:
    for routes in (PRECEDENCE, PRECEDENCE[::-1]):
        assert table(*routes).find("GET", path) == (template, values)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("a/{b}", "/a"),
        ("a/{b}", "/a//"),
        ("a/{b}", "/a/b/c"),
        ("a/{b}:go", "/a/:go"),
        ("a", "/b"),
        ("", "/a"),
    ],
)
def test_a_path_finds_nothing_when_it_does_not_fit(template: str, path: str) -> None:
    assert table(template).find("GET", path) is None


def test_a_route_is_passed_over_when_it_does_not_list_the_method() -> None:
    routes = RouteTable([("a", frozenset({"GET"}), "get"), ("{x}", frozenset({"PUT"}), "put")])

    assert routes.find("GET", "/a") == ("get", {})
    assert routes.find("PUT", "/a") == ("put", {"x": "a"})
    assert routes.find("DELETE", "/a") is None


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", "-2147483648", "2147483648"),
        ("long", "9223372036854775807", "9223372036854775808"),
        ("guid", "0af76519-16cd-43dd-8448-eb211c80319c", "0af76519"),
        ("bool", "True", "yes"),
        ("alpha", "Abc", "a1"),
        ("length(2)", "ab", "abc"),
        ("length(1,2)", "a", "abc"),
        ("minlength(2)", "ab", "a"),
        ("maxlength(2)", "ab", "abc"),
        ("min(3)", "3", "2"),
        ("max(3)", "3", "4"),
        ("range(1,3)", "2", "4"),
        ("regex(^[a-c]+$)", "abc", "abd"),
        ("regex(^\\d{{2}}$)", "12", "123"),
        ("int:min(1)", "1", "0"),
    ],
)
def test_a_constraint_decides_about_the_value(constraint: str, good: str, bad: str) -> None:
    template = parse_template(f"x/{{value:{constraint}}}")

    assert template.match(["x", good]) == {"value": good}
    assert template.match(["x", bad]) is None


@pytest.mark.parametrize(
    "template",
    [
        "a/{b",
        "a/b}",
        "a//b",
        "{*rest}/a",
        "{a}/{A}",
        "{a:nothing}",
        "{a:length(x)}",
        "{a:regex(()}",
        "{a}{b}",
        "x{a?}",
        "{}",
    ],
)
def test_a_template_is_refused_when_asp_net_would_refuse_it(template: str) -> None:
    with pytest.raises(StartError, match="route"):
        parse_template(template)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_values_come_back_as_they_were_whatever_they_hold(values: list[str]) -> None:
    template = "/".join(f"{{p{number}}}" for number in range(len(values)))
    path = "/" + "/".join(quote(value, safe="") for value in values)

    found = table(template).find("GET", path)

    assert found == (template, {f"p{number}": value for number, value in enumerate(values)})


@given(st.text(min_size=1).filter(lambda text: "\n" not in text))
def test_a_verb_after_a_value_is_always_told_from_the_value(value: str) -> None:
    routes = table("things/{id}", "things/{id}:cancel")
    path = quote(value, safe="")

    assert routes.find("POST", f"/things/{path}:cancel") == ("things/{id}:cancel", {"id": value})


@given(st.permutations(PRECEDENCE), st.sampled_from(["/updates", "/deployments/7:cancel", "/x/y"]))
def test_the_order_of_registration_does_not_matter(order: list[str], path: str) -> None:
    assert table(*order).find("GET", path) == table(*PRECEDENCE).find("GET", path)


@given(st.text(alphabet="/ab%2F:"))
def test_decoding_never_makes_more_segments_than_there_are_slashes(path: str) -> None:
    assert len(decode_segments(path)) <= path.count("/") + 1
