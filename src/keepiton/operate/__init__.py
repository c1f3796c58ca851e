"""Unattended operation: schedules, alarms, checks of the machine."""
