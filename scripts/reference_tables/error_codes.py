"""The closed table of error codes, with the HTTP status of each and what a caller or operator does about it."""

from app.api.errors import status_of
from app.governance.errors import ERROR_CODES
from reference_tables.markdown import code, table, words

# In the table so that clients can know them; what gives them is not built yet.
NOT_GIVEN_YET = frozenset({"rate_limited"})

ADVICE = {
    "malformed_request": "Mend the request; the message says where it is wrong.",
    "unknown_field": "Remove or rename the field; the message lists those there are.",
    "missing_plugin": "Name a plugin; `GET /v1/plugins` lists them.",
    "invalid_base64": "Encode the file's bytes with the standard alphabet and padding, without line breaks.",
    "body_too_large": "Send a smaller image, or raise `SIGHTGATE_MAX_BODY_BYTES`.",
    "unsupported_content_type": "Send one of the content types that the message names, without a `Content-Encoding`.",
    "empty_image": "Send the bytes of an image file.",
    "missing_mime_type": "Declare the type, such as `image/jpeg`.",
    "unsupported_mime_type": "Convert to JPEG, PNG, WebP, BMP, GIF or TIFF.",
    "mime_mismatch": "Declare the type that `details.actual` names.",
    "image_url_disabled": "Send the image itself, or have the operator set `SIGHTGATE_IMAGE_URLS=on`.",
    "image_url_refused": "Use a public http or https URL; the operator can allow networks and ports.",
    "image_url_failed": "Check that the URL gives the image; try again later. The message says what went wrong.",
    "image_url_too_large": "Use a smaller image, or raise `SIGHTGATE_IMAGE_URL_MAX_BYTES`.",
    "undecodable_image": "Check the file: it is broken, cut off, or no image.",
    "image_too_large": "Scale it down, or raise `SIGHTGATE_MAX_PIXELS` and the plugin's memory.",
    "invalid_options": "Mend the option that `details.field` names; the plugin's row holds the schema.",
    "invalid_output": "A fault of the plugin: tell its author. The log has the whole envelope.",
    "output_too_large": "Ask for less by options, or raise `SIGHTGATE_MAX_RESULT_BYTES`.",
    "plugin_failed": "A fault of the plugin: the log has its traceback.",
    "plugin_timeout": "Raise the plugin's `timeout_s` if the work is honest; else see why it hangs.",
    "plugin_crashed": "See `details.signal` or `details.exit_code`, and the end of its output in the log.",
    "plugin_out_of_memory": "Send a smaller image, or raise the plugin's `memory_mb`.",
    "plugin_out_of_disk": "Send a smaller image, or raise the plugin's `scratch_mb`.",
    "plugin_not_found": "Check the name; `GET /v1/plugins` lists all.",
    "plugin_unavailable": "Read the reason: it says what is missing, or that the plugin rests after crashes.",
    "plugin_disabled": "Enable it: `POST /v1/plugins/{name}/enable`.",
    "permission_not_granted": "Grant it in `plugins.toml`, if you trust the plugin with it.",
    "input_quarantined": "Do not send it again. Reloading the plugin forgets the quarantine.",
    "overloaded": "Wait as `Retry-After` says. If it stays: more `workers`, or accept work as jobs.",
    "rate_limited": "Wait as `Retry-After` says.",
    "cancelled": "Somebody cancelled it, or the caller hung up, or the server stopped. Call again if it was not you.",
    "interrupted": "Call again: the server had ended.",
    "deadline_exceeded": "Give a longer `timeout_s`, or `deadline_s` for a job, or call when there is less to do.",
    "dependency_failed": "Look at the job named in `details.needed`; submit both again, or use `after_rule` `end`.",
    "not_found": "Check the address; `GET /openapi.json` lists the routes.",
    "method_not_allowed": "Check the method.",
    "job_not_found": "Check the id, and that it is this server's data folder.",
    "job_not_cancellable": "Nothing; the job has ended.",
    "idempotency_conflict": "Use a new key for another request.",
    "webhooks_disabled": "Ask for the job's end, or have the operator set `SIGHTGATE_WEBHOOK_SECRET`.",
    "webhook_refused": "Use a public http or https URL; the operator can allow networks and ports.",
    "unauthorized": "Send `Authorization: Bearer KEY`.",
    "forbidden": "Without an API key: call the loopback address itself, and not from another site's page.",
    "shutting_down": "Send it to another server, or wait as `Retry-After` says: it may be back. Where"
    " `details.outcome` is `unknown`, it may have been done: with the same `Idempotency-Key`.",
    "storage_unavailable": "See the reason in the log: a full disk, too many open files, a database that is away. Then"
    " call again; where `details.outcome` is `unknown`, it may have been done: with the same `Idempotency-Key`.",
    "internal_error": "Report it, with the log's line of that time. Trying again may help.",
}


def error_codes() -> str:
    """Code, type, HTTP status, whether to retry, when it is given, and what to do."""
    rows = [
        (
            code(name),
            row.type.value,
            status_of(name),
            "yes" if row.retryable else "no",
            f"{row.meaning} *Not given yet.*" if name in NOT_GIVEN_YET else row.meaning,
            words(ADVICE, name),
        )
        for name, row in ERROR_CODES.items()
    ]
    return table(("code", "type", "HTTP", "retry", "when", "what to do"), rows)
