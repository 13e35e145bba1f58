"""Any policy directory: how it is read, how a question is put to it, and that it fails closed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from consent_service.grants.model import Access, Grant, Mode, Period, Status, Terms
from consent_service.policy.engine import PolicyError, PolicySet, decide
from consent_service.policy.model import Decision, EvaluationRequest, Facts, HolderFacts, PartyFacts

FACTS = Facts(dt.datetime(2026, 6, 1, tzinfo=dt.UTC), HolderFacts("gateway", "active", frozenset()))
SCHEMA = """
entity role in [role];
entity user in [role] { department: String, age?: Long };
entity folder in [folder];
entity document in [folder] { owner: user, level: Long, tags?: Set<String>, meta?: { a: String, b?: Bool } };
action everything;
action read, write in [everything] appliesTo {
    principal: user, resource: [document],
    context: { ip?: ipaddr, price?: decimal, until?: datetime, action?: { soft?: Bool } },
};
"""
POLICY = """
@id("editors") @title("Editors") @explanation("Editors may do everything in the library.")
permit (principal in role::"editor", action in [Action::"everything"], resource in folder::"library");

@id("owner-reads") @title("Owners") @explanation("An owner reads what is theirs.")
permit (principal, action == Action::"read", resource) when { resource.owner == principal };

@id("no-soft") @title("No soft") @explanation("Nothing is done softly.")
forbid (principal, action, resource)
when { context has action && context.action has soft && context.action.soft };

@id("high") @title("High") @explanation("The document is too high.")
forbid (principal, action, resource) when { resource.level > 9 };
"""


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def entity(kind: str, name: str, *parents: tuple[str, str], **attributes: Any) -> dict[str, Any]:
    return {"uid": uid(kind, name), "attrs": attributes, "parents": [uid(*parent) for parent in parents]}


ENTITIES = [
    entity("role", "editor"),
    entity("role", "chief", ("role", "editor")),
    entity("user", "alice", ("role", "chief"), department="news"),
    entity("folder", "library"),
    entity("folder", "shelf", ("folder", "library")),
    entity("document", "d1", ("folder", "shelf"), owner={"__entity": uid("user", "bob")}, level=1),
]


def directory(
    path: Path, schema: str = SCHEMA, policy: str = POLICY, entities: object = ENTITIES, **files: str
) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "schema.cedarschema").write_text(schema, "utf-8")
    (path / "a.cedar").write_text(policy, "utf-8")
    if entities is not None:
        (path / "entities.json").write_text(json.dumps(entities), "utf-8")
    for name, text in files.items():
        (path / f"{name}.cedar").write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return PolicySet.load(directory(tmp_path_factory.mktemp("library")))


def ask(policy_set: PolicySet, user: str, action: str, document: str = "d1", **members: Any) -> Decision:
    request = EvaluationRequest(
        members.pop("subject_type", "user"),
        user,
        action,
        members.pop("resource_type", "document"),
        document,
        **members,
    )
    return decide(request, None, None, policy_set, FACTS)


def ids(decision: Decision) -> list[str]:
    return [reason.policy for reason in decision.reasons]


class TestAnotherVocabulary:
    """DESIGN section 6: the decision point is not tied to ours."""

    def test_a_role_reaches_over_two_levels_of_both_hierarchies(self, library: PolicySet) -> None:
        decision = ask(library, "alice", "write")
        assert decision
        assert ids(decision) == ["editors"]
        assert decision.obligations == ()

    def test_a_user_that_no_file_knows_is_described_by_the_request(self, library: PolicySet) -> None:
        assert ids(ask(library, "bob", "read", subject_properties={"department": "x"})) == ["owner-reads"]
        assert ids(ask(library, "bob", "write", subject_properties={"department": "x"})) == ["no-policy"]

    def test_request_properties_overlay_static_attributes(self, library: PolicySet) -> None:
        assert ids(ask(library, "alice", "write", resource_properties={"level": 10})) == ["high"]

    def test_an_entity_named_by_a_property_is_a_text(self, library: PolicySet) -> None:
        new = {"owner": "alice", "level": 1}
        assert ids(ask(library, "alice", "read", "new", resource_properties=new)) == ["owner-reads"]

    def test_parents_come_from_the_file_only(self, library: PolicySet) -> None:
        forged = {"department": "x", "parents": [uid("role", "editor")], "in": "editor"}
        assert not ask(library, "eve", "write", subject_properties=forged)

    def test_action_properties_are_context_action(self, library: PolicySet) -> None:
        assert ids(ask(library, "alice", "write", action_properties={"soft": True})) == ["no-soft"]
        assert ask(library, "alice", "write", action_properties={"soft": False, "loud": 1})

    def test_what_the_schema_does_not_declare_is_dropped(self, library: PolicySet) -> None:
        odd = {"whatever": {"a": [None, 1.5]}, "é\0": 2**80}
        assert ask(library, "alice", "write", subject_properties=odd, resource_properties=odd, context=odd)

    @pytest.mark.parametrize(
        "context", [{"ip": "10.0.0.1"}, {"price": "1.25"}, {"until": "2026-01-01"}, {"ip": None}]
    )
    def test_extension_values_are_texts(self, library: PolicySet, context: dict[str, Any]) -> None:
        assert ask(library, "alice", "write", context=context)

    @pytest.mark.parametrize(
        "context",
        [{"ip": "10.0.0"}, {"price": "abc"}, {"price": 1.25}, {"until": "soon"}, {"ip": ["10.0.0.1"]}],
    )
    def test_a_wrong_extension_value_is_a_deny(self, library: PolicySet, context: dict[str, Any]) -> None:
        assert not ask(library, "alice", "write", context=context)

    @pytest.mark.parametrize(
        ("members", "named"),
        [
            ({"resource_properties": {"level": "1"}}, "resource.properties.level must be Long"),
            ({"resource_properties": {"level": 1.0}}, "resource.properties.level must be Long"),
            ({"resource_properties": {"level": True}}, "resource.properties.level must be Long"),
            ({"resource_properties": {"level": 2**63}}, "resource.properties.level must be Long"),
            ({"resource_properties": {"tags": ["a", 1]}}, "resource.properties.tags must be String"),
            ({"resource_properties": {"meta": {"b": True}}}, "resource.properties.meta.a must be given"),
            (
                {"resource_properties": {"meta": {"a": "x", "b": 1}}},
                "resource.properties.meta.b must be Bool",
            ),
            (
                {"subject_properties": {"department": "\ud800"}},
                "subject.properties.department must be String",
            ),
            ({"subject_type": "robot"}, "subject.type"),
            ({"resource_type": "User"}, "resource.type"),
        ],
    )
    def test_a_misfit_is_a_deny_that_names_it(
        self, library: PolicySet, members: dict[str, Any], named: str
    ) -> None:
        decision = ask(library, "alice", "write", **members)
        assert not decision
        assert ids(decision) == ["malformed-request"]
        assert named in decision.reasons[0].text

    def test_a_missing_attribute_and_an_unknown_action_are_named(self, library: PolicySet) -> None:
        assert "subject.properties.department must be given" in ask(library, "bob", "read").reasons[0].text
        assert "action.name" in ask(library, "alice", "burn").reasons[0].text

    @pytest.mark.parametrize("kind", ["role", "folder"])
    def test_a_type_the_action_is_not_for_is_a_deny(self, library: PolicySet, kind: str) -> None:
        assert not ask(library, "editor", "read", subject_type=kind)

    def test_a_longs_edges_fit(self, library: PolicySet) -> None:
        assert ask(library, "alice", "write", resource_properties={"level": -(2**63)})
        assert ids(ask(library, "alice", "write", resource_properties={"level": 2**63 - 1})) == ["high"]


class TestFailClosed:
    """STYLE 9: Cedar skips a policy that errors, so a broken forbid would be an allow."""

    BROKEN = POLICY + (
        '@id("broken") @title("Broken") @explanation("Overflows.")\n'
        "forbid (principal, action, resource) when { resource.level + 9223372036854775807 > 0 };"
    )

    def test_a_forbid_that_errors_denies(self, tmp_path: Path) -> None:
        decision = ask(PolicySet.load(directory(tmp_path, policy=self.BROKEN)), "alice", "write")
        assert not decision
        assert ids(decision) == ["evaluation-error"]
        assert "broken" not in decision.reasons[0].text.lower()

    def test_and_cedar_alone_would_have_allowed(self) -> None:
        entities = [*ENTITIES, entity("user", "bob", department="x")]
        request = {
            "principal": uid("user", "alice"),
            "action": uid("Action", "write"),
            "resource": uid("document", "d1"),
        }
        result = cedarpy.is_authorized({**request, "context": {}}, self.BROKEN, entities, SCHEMA)
        assert result.decision is cedarpy.Decision.Allow

    @pytest.mark.parametrize("raised", [ValueError("x"), RuntimeError("x"), KeyError("x"), MemoryError()])
    def test_whatever_is_raised_denies(
        self, library: PolicySet, monkeypatch: pytest.MonkeyPatch, raised: Exception
    ) -> None:
        def broken(*_arguments: object) -> None:
            raise raised

        monkeypatch.setattr(cedarpy, "is_authorized", broken)
        assert ids(ask(library, "alice", "write")) == ["evaluation-error"]

    def test_a_fact_that_can_not_be_written_denies(self) -> None:
        # 9999-12-31 west of Greenwich has no moment in UTC.
        never = dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=5)))
        period, access = Period(never.date(), never.date()), Access(Mode.ONCE, never)
        terms = Terms("0192:1", "p", ("d",), ("read",), (), period, access, "P0D", (), "consent")
        grant = Grant("g", 1, "0192:1", "0192:2", "bank", terms, Status.ACTIVE, FACTS.time, "e", FACTS.time)
        ours = PolicySet.load(Path(__file__).parents[2] / "policies")
        request = EvaluationRequest(
            "party",
            "bank",
            "read",
            "dataset",
            "d",
            resource_properties={"owner": "0192:1", "holder": "gateway"},
        )
        decision = decide(request, grant, PartyFacts("bank", "0192:2", "active"), ours, FACTS)
        assert ids(decision) == ["evaluation-error"]

    def test_another_kind_of_subject_can_not_state_a_grant_either(self, tmp_path: Path) -> None:
        schema = (
            "entity party; entity authority; entity dataset;"
            "action read appliesTo { principal: [party, authority], resource: dataset,"
            " context: { grant?: { status: String } } };"
        )
        policy = (
            '@id("p") @title("P") @explanation("E.") permit (principal, action, resource)'
            ' when { context has grant && context.grant.status == "active" };'
        )
        policy_set = PolicySet.load(directory(tmp_path, schema, policy, None))
        for kind in ("authority", "party"):
            request = EvaluationRequest(
                kind, "x", "read", "dataset", "d", context={"grant": {"status": "active"}}
            )
            assert not decide(request, None, None, policy_set, FACTS)


SPELLINGS = {
    "types without brackets": (
        "entity user, document; action read appliesTo { principal: user, resource: document };"
    ),
    "resource first": (
        "entity user, document; action read appliesTo { resource: [document], principal: [user] };"
    ),
    "comments and annotations": (
        '// entity "fake" {\n@doc("entity x { };") entity user; entity document;'
        '@doc("a, b: c") action "read" appliesTo { principal: [user], resource: [document], context: {} };'
    ),
    "types used before they are named": (
        "entity user { t?: T }; type T = { x: Set<Set<L>> }; type L = Long; entity document;"
        "action read appliesTo { principal: [user], resource: document, context: C }; type C = { y?: T };"
    ),
    "names that must be quoted": (
        'entity user { "a b"?: Long, "in"?: String }; entity document;'
        'action read appliesTo { principal: user, resource: document, context: { "when"?: datetime } };'
    ),
    "an enumeration": (
        'entity user; entity document enum ["d1", "d2"];'
        "action read appliesTo { principal: user, resource: document };"
    ),
    "tags": (
        "entity user; entity document { } tags Set<String>;"
        "action read appliesTo { principal: user, resource: document };"
    ),
    "Cedar's own names": (
        "type Text = __cedar::String; entity user { t?: Text }; entity document;"
        "action read appliesTo { principal: user, resource: document };"
    ),
}
ALL = '@id("all") @title("All") @explanation("All.") permit (principal, action, resource);'


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_the_schema_grammar_is_read(tmp_path: Path, name: str) -> None:
    policy_set = PolicySet.load(directory(tmp_path, SPELLINGS[name], ALL, None))
    assert ids(ask(policy_set, "u", "read", "d1")) == ["all"]


def test_types_are_followed_through_their_names(tmp_path: Path) -> None:
    policy_set = PolicySet.load(directory(tmp_path, SPELLINGS["types used before they are named"], ALL, None))
    assert ask(
        policy_set, "u", "read", "d", subject_properties={"t": {"x": [[1], []]}}, context={"y": {"x": []}}
    )
    assert (
        "context.y.x must be Long"
        in ask(policy_set, "u", "read", "d", context={"y": {"x": [["1"]]}}).reasons[0].text
    )


NOTED = "@title('t')".replace("'", '"') + ' @explanation("e.") '
BAD = {
    "no policies": ({"policy": ""}, None),
    "a schema that does not parse": ({"schema": "entity"}, "schema"),
    "a policy that does not parse": ({"policy": "permit("}, "end of input"),
    "a policy the schema does not fit": (
        {"policy": f'@id("x") {NOTED} permit (principal, action, resource) when {{ principal.nope }};'},
        "nope",
    ),
    "an id twice": ({"policy": f'@id("x") {NOTED} permit (principal, action, resource);' * 2}, "x"),
    "a template": (
        {"policy": f'@id("x") {NOTED} forbid (principal == ?principal, action, resource);'},
        "template",
    ),
    "entities that are no list": ({"entities": {}}, "entit"),
    "an entity without a uid": ({"entities": [{"attrs": {}, "parents": []}]}, "entit"),
    "an attribute that is not declared": ({"entities": [entity("role", "x", y=1)]}, "entit"),
    "an attribute of another type": ({"entities": [entity("user", "x", department=1)]}, "entit"),
}


@pytest.mark.parametrize("name", [name for name in BAD if name != "no policies"])
def test_a_directory_that_can_not_be_used_says_so(tmp_path: Path, name: str) -> None:
    files, said = BAD[name]
    with pytest.raises(PolicyError, match=said):
        PolicySet.load(directory(tmp_path, **files))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"{nope", b"\xff\xfe"])
def test_entities_that_are_no_json_say_so(tmp_path: Path, content: bytes) -> None:
    (directory(tmp_path) / "entities.json").write_bytes(content)
    with pytest.raises(PolicyError):
        PolicySet.load(tmp_path)


@pytest.mark.parametrize("missing", ["schema.cedarschema", "a.cedar"])
def test_a_missing_file_says_so(tmp_path: Path, missing: str) -> None:
    (directory(tmp_path) / missing).unlink()
    with pytest.raises(PolicyError, match=r"needs schema\.cedarschema and at least one"):
        PolicySet.load(tmp_path)


def test_an_entity_may_be_named_in_either_spelling(tmp_path: Path) -> None:
    explicit = [{**one, "uid": {"__entity": one["uid"]}} for one in ENTITIES]
    assert ask(PolicySet.load(directory(tmp_path, entities=explicit)), "alice", "write")


class TestDigest:
    """Decisions name the policies they were taken by."""

    def test_it_is_a_sha_256_and_always_the_same(self, tmp_path: Path) -> None:
        one, other = (PolicySet.load(directory(tmp_path / name)) for name in ("one", "other"))
        assert one.digest == other.digest
        kind, _, value = one.digest.partition(":")
        assert (kind, len(bytes.fromhex(value))) == ("sha256", 32)
        assert ask(one, "alice", "write").policy_digest == one.digest

    @pytest.mark.parametrize(
        "name", ["schema.cedarschema", "a.cedar", "entities.json", "catalogue/purposes.yaml", "texts/nb.yaml"]
    )
    def test_every_file_that_can_change_a_decision_changes_it(self, tmp_path: Path, name: str) -> None:
        before = PolicySet.load(directory(tmp_path)).digest
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if name.startswith("catalogue/"):
            (path.parent / "datasets.yaml").write_text("{}")
        path.write_text((path.read_text() if path.exists() else "{}"[: 2 * ("/" in name)]) + "\n")
        assert PolicySet.load(tmp_path).digest != before

    def test_a_line_moved_between_files_changes_it(self, tmp_path: Path) -> None:
        first, second = POLICY.split("@id", 2)[1:]
        one = directory(tmp_path / "one", policy="@id" + first + "@id" + second)
        other = directory(tmp_path / "other", policy="@id" + first, b="@id" + second)
        assert PolicySet.load(one).digest != PolicySet.load(other).digest

    def test_other_files_do_not_change_it(self, tmp_path: Path) -> None:
        before = PolicySet.load(directory(tmp_path)).digest
        (tmp_path / "README.md").write_text("read me")
        assert PolicySet.load(tmp_path).digest == before


def test_reasons_follow_the_names_of_the_files(tmp_path: Path) -> None:
    never = '@title("t") @explanation("e.") forbid (principal, action, resource);'
    policy_set = PolicySet.load(directory(tmp_path, b=f'@id("second") {never}', a=f'@id("first") {never}'))
    assert ids(ask(policy_set, "alice", "write")) == ["first", "second"]


def test_plain_cedar_without_annotations_decides_and_names_cedar_s_own_ids(tmp_path: Path) -> None:
    plain = PolicySet.load(directory(tmp_path, policy="permit (principal, action, resource);"))
    assert [reason.policy for reason in plain.reasons.values()] == ["policy0"]


def test_each_of_our_own_policies_has_an_id_and_a_sentence_for_people() -> None:
    ours = PolicySet.load(Path(__file__).parents[2] / "policies")
    for reason in ours.reasons.values():
        assert not reason.policy.startswith("policy"), reason
        assert reason.text.endswith("."), reason


def test_a_name_with_escapes_is_the_name_that_requests_use(tmp_path: Path) -> None:
    # What is read as another name would be dropped, and a forbid that looks at it would never forbid.
    schema = r"""
    entity user;
    entity document { "secret \"mark\""?: String, "r\u{e5}d"?: String, "a\\b\tc"?: String };
    action read appliesTo { principal: user, resource: document };
    """
    policy = r"""
    permit (principal, action, resource);
    @id("mark") forbid (principal, action, resource) when { resource has "secret \"mark\"" };
    @id("council") forbid (principal, action, resource) when { resource has "r\u{e5}d" };
    @id("path") forbid (principal, action, resource) when { resource has "a\\b\tc" };
    """
    policy_set = PolicySet.load(directory(tmp_path, schema, policy, []))
    for name, expected in (('secret "mark"', "mark"), ("r\u00e5d", "council"), ("a\\b\tc", "path")):
        request = EvaluationRequest("user", "u", "read", "document", "d", resource_properties={name: "x"})
        decision = decide(request, None, None, policy_set, FACTS)
        assert not decision
        assert ids(decision) == [expected]
