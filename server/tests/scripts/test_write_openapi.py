"""The page's client is made from web-ui/openapi.json, which must be what the server says of itself."""

from scripts.write_openapi import PLACE, openapi_document


def test_the_file_that_the_pages_client_is_made_from_is_as_the_code_is() -> None:
    assert PLACE.read_text(encoding="utf-8") == openapi_document(), "run make openapi"
