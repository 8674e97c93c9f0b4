#!/usr/bin/env python3
"""localstripe on loopback:  stripe_server.py PORT

localstripe (https://github.com/adrienverge/localstripe) is a stateful fake of Stripe's API that others wrote. It is installed
by test-stripe.sh and not part of Oxcart. Here it is started on 127.0.0.1 instead of every interface, keeps nothing on disk,
and gets what it lacks of Stripe (1.15.10) and a caller must be able to rely on:

  * idempotency keys: the first answer is stored and given again, with `Idempotent-Replayed: true`; the same key with other
    parameters is a 400 of type idempotency_error;
  * a payment method given when an intent is confirmed, also after the first one was declined;
  * `use_stripe_sdk` when it is confirmed, which changes nothing here;
  * `allowed_payment_method_types`, which took the place of `payment_method_types` in September 2026;
  * the codes of two refusals: an intent that cannot be confirmed any more, a payment method that there is not.
"""

import asyncio
import json
import sys

from aiohttp import web
from localstripe import resources
from localstripe.errors import UserError

resources.Store.dump_to_disk = lambda self: None
create_as_it_is = resources.PaymentIntent._api_create
confirm_as_it_is = resources.PaymentIntent._api_confirm


@classmethod
def create(cls, allowed_payment_method_types=None, payment_method_types=None, **rest):
    if payment_method_types is not None:
        raise UserError(400, "not in this version", {"code": "payment_method_types_no_longer_supported"})
    return create_as_it_is(payment_method_types=allowed_payment_method_types, **rest)


resources.PaymentIntent._api_create = create


def confirm(id, payment_method=None, use_stripe_sdk=None, **rest):
    intent = resources.PaymentIntent._api_retrieve(id)
    if intent.status not in ("requires_payment_method", "requires_confirmation"):
        raise UserError(400, f"its status is {intent.status}", {"code": "payment_intent_unexpected_state"})
    if payment_method is not None:
        try:
            resources.PaymentMethod._api_retrieve(payment_method)
        except UserError:
            raise UserError(400, "no such method", {"code": "resource_missing", "param": "payment_method"}) from None
        intent.payment_method = payment_method
        intent.latest_charge = None
    return confirm_as_it_is(id, **rest)


CONFIRM = "/v1/payment_intents/{id}/confirm"
# Before the server is imported: it makes its routes from this list then.
resources.extra_apis[:] = [
    (method, url, confirm if url == CONFIRM else handler) for method, url, handler in resources.extra_apis
]

from localstripe.server import app  # noqa: E402

answers = {}


@web.middleware
async def once(request, handler):
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return await handler(request)
    asked = (request.path, await request.read())
    if key in answers:
        first, status, body = answers[key]
        if first != asked:
            error = {"type": "idempotency_error", "message": "this key was used with other parameters"}
            return web.json_response({"error": error}, status=400)
        return web.Response(body=body, status=status, content_type="application/json", headers={"Idempotent-Replayed": "true"})
    response = await handler(request)
    # As with Stripe, what was refused before anything was done is not stored.
    if response.status < 400 or response.status in (402, 500):
        answers[key] = (asked, response.status, response.body)
    return response


async def failing(request):
    """POST /_config/fail/KEY: the answer stored under this key becomes a failure of the server, as if it had stumbled after
    the work was done."""
    key = request.match_info["key"]
    if key not in answers:
        return web.json_response({"known": sorted(answers)}, status=404)
    asked, _, _ = answers[key]
    answers[key] = (asked, 500, json.dumps({"error": {"type": "api_error"}}).encode())
    return web.Response()


app.middlewares.insert(0, once)
app.router.add_post("/_config/fail/{key}", failing)

if __name__ == "__main__":
    asyncio.set_event_loop(asyncio.new_event_loop())
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
