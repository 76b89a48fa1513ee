"""What every HTTP endpoint shares: the error shape, the reading of bodies, the outermost application, the protocol."""
