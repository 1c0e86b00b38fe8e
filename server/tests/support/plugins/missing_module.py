import a_module_that_nobody_installed  # noqa: F401


class Missing:
    name = "missing"
