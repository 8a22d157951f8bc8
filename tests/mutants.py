"""A plugin of pytest for ``make mutants``, where one process runs the same tests again and again."""

from hypothesis import HealthCheck, Phase, settings

# The same examples for each mutant, and the first that fails is enough. Tests of a class meet another instance of it
# each time, which is no fault here; and being slow does not tell a mutant.
settings.register_profile(
    "mutants",
    settings.get_profile("ci"),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
