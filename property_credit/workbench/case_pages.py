"""Pages of cases: the list of an office, a case with its clocks, its history and what may be done, its files."""

from functools import cache
from typing import Annotated, Any, get_args

import yaml
from fastapi import FastAPI, Form, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from property_credit.workbench import acts, attachments, cases, desk, grades
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, Files, Follows, FormId, Text, Token, kept

KINDS = {f"{kind}s": kind for kind in get_args(cases.Kind)}
SHOWN = 200
EvidenceIds = Annotated[list[str], Query(max_length=200)]


def register(app: FastAPI, effect: desk.Effect | None) -> None:
    """Add the pages; ``effect`` computes what a decision would do to a grade."""

    @app.api_route("/cases", methods=["GET", "HEAD"])
    def worklist(request: Request, kind: str = "", state: str = "", mine: str = "") -> Response:
        with desk.visit(request) as visit:
            if visit.account.role_code != "officer":
                raise NotAllowedError("此页面供经办人使用。")
            matching: list[cases.Case] = []
            for one in get_args(cases.Kind):
                if kind in ("", one):
                    matching += cases.listed(visit.connection, visit.account, visit.areas, one, visit.today)
            if state in cases.STATES:
                matching = [case for case in matching if case.state == state]
            elif state != "all":
                matching = [case for case in matching if case.is_open]
            if mine:
                matching = [case for case in matching if case.row["forwarded_to"] == visit.account.name]
            matching.sort(key=lambda case: (not case.is_open, str(case.next_clock.due_on) if case.next_clock else "9"))
            return visit.page(
                "cases",
                cases=matching[:SHOWN],
                left_out=max(len(matching) - SHOWN, 0),
                kind=kind,
                state=state,
                mine=mine,
                effects={},
            )

    @app.api_route("/{kinds}/{case_id}", methods=["GET", "HEAD"])
    def case(
        request: Request,
        kinds: str,
        case_id: str,
        template: str = "",
        evidence_ids: EvidenceIds = [],  # noqa: B006
    ) -> Response:
        kind = _kind(kinds)
        with desk.visit(request) as visit:
            case = cases.find(visit.connection, visit.account, visit.areas, kind, case_id, visit.today)
            return _case(visit, case, effect, template=template, chosen=evidence_ids)

    @app.post("/{kinds}/{case_id}/{code}")
    def act(
        request: Request,
        kinds: str,
        case_id: str,
        code: str,
        token: Token = "",
        form_id: FormId = "",
        follows: Follows = 0,
        reason: Text = "",
        reply: Text = "",
        source_class_code: Code = "",
        to: Code = "",
        original_officer_code: Code = "",
        outcome_code: Code = "",
        has_no_conflict: Annotated[bool, Form()] = False,
        evidence_ids: Annotated[list[str], Form(max_length=200)] = [],  # noqa: B006
        files: Files = [],  # noqa: B006
    ) -> Response:
        kind = _kind(kinds)
        if code not in cases.CASE_ACTS:
            raise HTTPException(404)
        with desk.visit(request, token=token) as visit:
            case = cases.find(visit.connection, visit.account, visit.areas, kind, case_id, visit.today)
            given: dict[str, Any] = {
                "reason": reason,
                "reply": reply,
                "source_class_code": source_class_code,
                "to": to,
                "original_officer_code": original_officer_code,
                "outcome_code": outcome_code,
                "has_no_conflict": has_no_conflict,
                "evidence_ids": evidence_ids,
            }
            try:
                attached = kept(files) if code in cases.WITH_FILES else []
                cases.act(
                    visit.connection,
                    visit.account,
                    visit.areas,
                    case,
                    code,
                    {**given, "attachments": attached},
                    follows=follows,
                    form_id=form_id,
                )
            except RepeatedError:
                raise
            except (ConflictError, NotAllowedError) as error:
                fresh = cases.find(visit.connection, visit.account, visit.areas, kind, case_id, visit.today)
                return _case(visit, fresh, effect, problem=error, given=given, chosen=evidence_ids)
            except WorkbenchError as error:
                return _case(visit, case, effect, problem=error, given=given, chosen=evidence_ids)
            return visit.follow(f"/{kinds}/{case_id}")

    @app.api_route("/{kinds}/{case_id}/files/{sha256}", methods=["GET", "HEAD"])
    def attachment(request: Request, kinds: str, case_id: str, sha256: str) -> Response:
        kind = _kind(kinds)
        with desk.visit(request) as visit:
            cases.find(visit.connection, visit.account, visit.areas, kind, case_id, visit.today)
            held = [
                one
                for act in acts.history(visit.connection, kind, case_id)
                for one in act["details"].get("attachments", [])
                if one["sha256"] == sha256
            ]
            path = attachments.path_of(sha256)
            if not held or not path.exists():
                raise MissingError("没有这个附件。")
            return FileResponse(
                path,
                media_type=attachments.TYPES[held[0]["kind"]],
                headers=desk.as_download(held[0]),
            )


def _kind(kinds: str) -> cases.Kind:
    if kinds not in KINDS:
        raise HTTPException(404)
    return KINDS[kinds]


def _case(
    visit: desk.Visit,
    case: cases.Case,
    effect: desk.Effect | None,
    *,
    template: str = "",
    chosen: list[str],
    problem: WorkbenchError | None = None,
    given: dict[str, Any] | None = None,
) -> Response:
    is_office = visit.account.role_code == "officer"
    open_to = cases.acts_open_to(visit.account, case, visit.areas)
    evidence = cases.evidence_of(visit.connection, case) if is_office and case.is_open else []
    computed, why_not = None, ""
    if is_office and case.is_open:
        targets = case.targets or [
            (one["target_type_code"], one["id"])
            for one in evidence
            if one["target_type_code"] and (not chosen or one["id"] in chosen)
        ]
        computed, why_not = _effect(visit, case, targets, effect)
    texts = {one["code"]: one for one in templates() if case.kind in one["kinds"]}
    return visit.page(
        "case",
        problem.status if problem else 200,
        case=case,
        standing=grades.standing_of(visit.connection, case.row["uscc"]),
        history=acts.history(visit.connection, case.kind, case.id),
        open_to=open_to,
        deciders=cases.deciders(visit.connection, visit.account, visit.areas, case) if "forward" in open_to else [],
        evidence=evidence,
        chosen=chosen,
        effect=computed,
        why_no_effect=why_not,
        templates=list(texts.values()),
        template=texts.get(template),
        problem=str(problem or ""),
        given=desk.blank(given),
    )


def _effect(
    visit: desk.Visit, case: cases.Case, targets: list[tuple[str, str]], effect: desk.Effect | None
) -> tuple[Any, str]:
    """Return what upholding would do, or why that cannot be said."""
    if not targets:
        return None, "本件没有指向可单独剔除的记录，结论不会直接改变得分；如数据有误，请来源部门更正后重新报送。"
    if effect is None:
        return None, "本服务未配置测算。"
    try:
        return effect(visit.connection, case.row["uscc"], targets), ""
    except LookupError as error:
        return None, str(error)


@cache
def templates() -> list[dict[str, Any]]:
    """Return the texts of decisions that officers may begin from."""
    path = desk.PACKAGE / "decision_templates.yml"
    texts: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return texts
