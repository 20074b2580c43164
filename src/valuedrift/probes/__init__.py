"""The probe set: questions on known topics, written by hand or selected from PRISM's prompts (appendix A)."""
