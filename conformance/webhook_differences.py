"""Which differences of answers about webhooks are wanted; `wanted_differences.py` says why."""

from __future__ import annotations

from typing import Any

from differential.compare import Difference


def leads_nowhere(difference: Difference) -> bool:
    is_webhook = "/mlflow/webhooks" in difference.route and difference.official.status == 200
    return is_webhook and difference.candidate.message().startswith("Invalid webhook URL: ")


def keeps_its_status(difference: Difference) -> bool:
    body = difference.request.body
    given = body.get("status") if isinstance(body, dict) else None
    is_update = difference.request.method == "PATCH" and "/mlflow/webhooks/" in difference.route
    return is_update and given is None and difference.places == ["body.webhook.status: 'ACTIVE' != 'DISABLED'"]


def _tested(difference: Difference) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What both say of the test of a webhook."""
    is_test = "/mlflow/webhooks/" in difference.route and difference.route.endswith("/test")
    if not is_test or not difference.official.status == difference.candidate.status == 200:
        return None
    return difference.official.body["result"], difference.candidate.body["result"]


def receiver_is_not_quoted(difference: Difference) -> bool:
    tested = _tested(difference)
    if tested is None:
        return False
    official, candidate = tested
    return candidate == {name: value for name, value in official.items() if name != "response_body"} and "response_body" in official


def redirect_is_not_followed(difference: Difference) -> bool:
    tested = _tested(difference)
    if tested is None:
        return False
    candidate = tested[1]
    text = "Failed to test webhook: the receiver wants to be asked elsewhere, and redirects are not followed."
    return candidate == {"success": False, "response_status": 302, "error_message": text}


def failed_in_other_words(difference: Difference) -> bool:
    tested = _tested(difference)
    begins = "Failed to test webhook: "
    return tested is not None and all(
        set(one) == {"success", "error_message"} and not one["success"] and one["error_message"].startswith(begins) for one in tested
    )
