from app.services.execution.pace import Pace


def learned(*, pass_ms: float, loading_ms: float, call_ms: float) -> Pace:
    pace = Pace()
    for _ in range(200):
        pace.claimed(pass_ms)
        pace.ran("ocr", loading_ms, call_ms)
    return pace


def test_nothing_is_claimed_ahead_of_a_plugin_that_never_ran() -> None:
    assert Pace().ahead("ocr", seats=2) == 0


def test_a_quick_plugin_has_as_many_ahead_as_end_until_the_claim_after_the_next() -> None:
    assert learned(pass_ms=3, loading_ms=1, call_ms=0.99).ahead("ocr", seats=2) == 14


def test_nothing_is_claimed_ahead_of_a_plugin_that_is_slower_than_claims() -> None:
    assert learned(pass_ms=3, loading_ms=1, call_ms=50).ahead("ocr", seats=2) == 0


def test_a_store_that_hangs_does_not_make_claims_large() -> None:
    assert learned(pass_ms=60_000, loading_ms=60_000, call_ms=1_000).ahead("ocr", seats=2) == 0


def test_there_is_a_most() -> None:
    assert learned(pass_ms=50, loading_ms=0, call_ms=0).ahead("ocr", seats=100) == 64
