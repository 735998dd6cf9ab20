"""Plain answers of both vendors, written by hand, for tests that are about something else."""

from typing import Any

from tests.support.scripted_upstream import Scripted, json_answer, sse_answer


def gemini_document(text: str = "Hello", finish: str | None = "STOP", **candidate: Any) -> dict[str, Any]:
    reason = {"finishReason": finish} if finish else {}
    usage = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}} if finish else {}
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, **reason, **candidate}], **usage, "modelVersion": "gemini-3.8-flash"}


def gemini(text: str = "Hello") -> Scripted:
    return json_answer(gemini_document(text))


def gemini_stream(*texts: str) -> Scripted:
    return sse_answer(*[gemini_document(text, None) for text in texts[:-1]], gemini_document(texts[-1]))


def claude_message(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
        **fields,
    }


def claude(text: str = "Hello") -> Scripted:
    return json_answer(claude_message(text))


def claude_events(*texts: str) -> list[dict[str, Any]]:
    start = claude_message(content=[], stop_reason=None, usage={"input_tokens": 3, "output_tokens": 1})
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]


def claude_stream(*texts: str) -> Scripted:
    return sse_answer(*claude_events(*texts), named=True)


def google_error(code: int, status: str, message: str = "No.", details: list[Any] | None = None, **headers: str) -> Scripted:
    return json_answer({"error": {"code": code, "message": message, "status": status, "details": details or []}}, code, **headers)


def anthropic_error(status: int, kind: str, message: str = "No.", **headers: str) -> Scripted:
    return json_answer({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"}, status, **headers)
