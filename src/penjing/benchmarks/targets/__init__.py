"""Where measurements run. Each target has `measure(subjects, plan) -> Run`; today there is this machine."""
