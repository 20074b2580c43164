"""The probe set: questions on known topics, made by hand or curated from PRISM's prompts in stages (appendix A)."""
