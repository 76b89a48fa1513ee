"""Proof of liabilities: what the venue owes its customers, in a form that every customer can check their part of.

    tree       Merkle-sum trees: the hashes, and the files they are kept in
    documents  the root document and the proofs, and how they are checked
    archive    makes them from a data directory and finds them again
    anchors    where roots are noted, so that none can be changed afterwards
    daily      makes one every day, beside a running server
    endpoints  the routes

docs/concepts/liabilities.md says what is proved, how, and what is not. `scripts/verify_liabilities.py` checks the same
documents and shares no code with this.
"""
