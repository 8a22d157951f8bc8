"""Payment reminders: the right person, the right morning, once."""
