"""Proves that documents are found, that strangers are refused, and that people do not administer."""

import mill_hook
import mill_search

ask = mill_hook.ask()
check = mill_hook.Checks()
mill_search.prove(ask, check, "/_security/user")
check.end()
