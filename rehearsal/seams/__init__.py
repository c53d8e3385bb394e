"""What MiniStack 1.5.33 lacks for Inlet's template, one reason a module.

They reach into its private names: hence the pin.
"""
