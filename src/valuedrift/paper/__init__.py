"""Tables, figures and the report page, made from the frames that the drift analysis writes."""
