"""Measure a judge's quality: compare it with labels of people, with other judges, and with a person's check."""
