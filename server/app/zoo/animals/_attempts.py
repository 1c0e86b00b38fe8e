"""Shared by the animals that try what is forbidden. A name with an underscore is no plugin."""


def reached(**attempts):
    """Make every attempt and return the names of those that were not denied."""
    done = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except Exception:
            continue
        done.append(name)
    return {"reached": done, "tried": len(attempts)}
