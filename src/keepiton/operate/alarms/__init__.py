"""Alarms: messages when a disruption opens, closes or is corrected, and pings of a monitor."""
