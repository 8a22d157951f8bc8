"""The version of Counterfoil, by semantic versioning; CHANGELOG.md says what each brought."""

VERSION = "0.2.0"
