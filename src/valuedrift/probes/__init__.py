"""The probe set: questions of known topics, made by hand or curated from PRISM's prompts stage by stage."""
