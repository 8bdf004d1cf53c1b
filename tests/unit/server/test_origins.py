import pytest

from visavis.server.gate.origins import matches


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://SHOP.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://a.shop.example", "https://*.shop.example"),
        ("https://b.a.shop.example", "https://*.shop.example"),
        ("https://a.shop.example:8443", "https://*.shop.example:8443"),
        ("https://shop.example.", "https://shop.example"),
    ],
)
def test_listed_sites_match(origin, entry):
    assert matches(origin, ["https://other.example", entry])


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://shop.example", "https://*.shop.example"),
        ("https://evilshop.example", "https://*.shop.example"),
        ("https://shop.example.evil.example", "https://shop.example"),
        ("https://shop.example@evil.example", "https://shop.example"),
        ("http://shop.example", "https://shop.example"),
        ("https://shop.example:444", "https://shop.example"),
        ("https://shop.example:99999", "https://shop.example"),
        ("https://[", "https://shop.example"),
        ("null", "https://shop.example"),
        ("", "https://shop.example"),
        ("file://", "https://shop.example"),
        ("https://*.shop.example.evil.example", "https://*.shop.example"),
    ],
)
def test_other_sites_do_not(origin, entry):
    assert not matches(origin, [entry])
