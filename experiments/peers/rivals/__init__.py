"""What users would pick instead, as schedules of easiedge, so that data, training, surgery and measurement are the same."""
