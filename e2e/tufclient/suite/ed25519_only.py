"""A pytest plugin that makes the suite's simulated repositories sign with Ed25519
instead of ECDSA wherever a test does not ask for a key type itself."""

from tuf_conformance._internal.repository_simulator import RepositorySimulator

RepositorySimulator.new_signer.__defaults__ = ("ed25519", "ed25519")
