"""The verbs that change something: pause, resume, restart, reload, promote."""
