"""The few things that can be done from the dashboard, each asked for once more before it is done."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pawl.dashboard.pages.rows import title_of
from pawl.dashboard.visit import Visit, form
from pawl.errors import UsageError
from pawl.ledger.records import DeployView

ASKED_BY = "dashboard"
ROLL_BACK, KEEP = "roll-back", "keep"


def offered(visit: Visit, deploy: DeployView) -> list[str]:
    """What can be done about a deploy just now."""
    view = visit.place.ledger.app(deploy.app)
    if view is None or view.live is None:
        return []
    is_live = view.live.deploy == deploy.id
    is_canary = deploy.status == "canary"
    others = (one for one in visit.place.ledger.unfinished() if one.app == deploy.app)
    actions = []
    # While there is a canary, to go back is to withdraw it: what is live is not what would go.
    if is_canary or (is_live and view.previous and not any(one.status == "canary" for one in others)):
        actions.append(ROLL_BACK)
    if deploy.outcome is None and visit.place.latest(deploy.id) is not None:
        actions.append(KEEP)
    return actions


async def confirm(visit: Visit, request: Request) -> Response:
    """The page that asks whether it is meant."""
    deploy = visit.deploy(request.path_params["deploy"])
    action = request.path_params["action"]
    view = visit.app(deploy.app)
    _refuse_what_is_not_offered(visit, deploy, action)
    to = view.live if deploy.status == "canary" else next(iter(view.previous), None)
    target = next((one for one in visit.place.ledger.releases(deploy.app) if to and one.release == to.release), None)
    values = {
        "action": action, "deploy": deploy, "title": title_of(deploy), "to": to, "here": "apps",
        "to_title": target.commit.title if target else "", "is_canary": deploy.status == "canary",
    }  # fmt: skip
    return visit.page(request, "confirm.html", values)


async def do(visit: Visit, request: Request) -> Response:
    """Do it, and lead to where it can be watched."""
    deploy = visit.deploy(request.path_params["deploy"])
    action = request.path_params["action"]
    _refuse_what_is_not_offered(visit, deploy, action)
    if action == KEEP:
        visit.place.keep(deploy.id, asked_by=ASKED_BY)
        return RedirectResponse(f"/deploys/{deploy.id}", 303)
    return RedirectResponse(f"/deploys/{visit.place.roll_back(deploy.app, asked_by=ASKED_BY)}", 303)


async def learn(visit: Visit, request: Request) -> Response:
    """Keep what was learned from a deploy, and show it there."""
    deploy = visit.deploy(request.path_params["deploy"])
    sent = await form(request)
    visit.place.learn(deploy.id, sent.get("text", "").replace("\r\n", "\n"), by=sent.get("by", "").strip() or ASKED_BY)
    return RedirectResponse(f"/deploys/{deploy.id}#after-h", 303)


def _refuse_what_is_not_offered(visit: Visit, deploy: DeployView, action: str) -> None:
    if action not in (ROLL_BACK, KEEP):
        raise HTTPException(404)
    if action in offered(visit, deploy):
        return
    if action == KEEP:
        raise UsageError(f"deploy {deploy.id} is not being watched", why="there is nothing to decide about it any more")
    raise UsageError(
        f"deploy {deploy.id} cannot be rolled back",
        why="it is not what is live, nothing was live before it, or a canary serves beside it and is to go first",
        next_step=f"see: pawl rollback {deploy.app} --help",
    )  # fmt: skip
