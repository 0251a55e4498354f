"""From a slow teacher to a small network that keeps a promise of milliseconds per frame on this machine.

The modules in the order of the work: `budget` (what is promised), `ladder` (students to choose from), `timing` (their
time in the engine), `teacher` and `pairs` (what it makes of the frames), `settings` (the recipe of the student's
training), `record` (what a run keeps), `work` (all of it).
"""
