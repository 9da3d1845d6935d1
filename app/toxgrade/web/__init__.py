"""Pages and pictures over the graded cohort."""
