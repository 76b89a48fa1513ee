"""From the X-API-Key header to the authority that its key gives. The one place where it is refused."""

from beurs.keys import KeyRing, Operator, Trader
from beurs.web.problems import Problem


def trader(keys: KeyRing, presented: bytes | None) -> Trader:
    """The account that a key stands for. Raises Problem for any other key, and for none."""
    if presented is None:
        raise Problem("missing_api_key")
    found = keys.trader(presented)
    if found is None:
        raise Problem("invalid_api_key" if keys.operator(presented) is None else "forbidden")
    return found


def operator(keys: KeyRing, presented: bytes | None) -> Operator:
    """The member of staff that a key stands for. Raises Problem for any other key, and for none."""
    if presented is None:
        raise Problem("missing_api_key")
    found = keys.operator(presented)
    if found is None:
        raise Problem("invalid_api_key" if keys.trader(presented) is None else "forbidden")
    return found
