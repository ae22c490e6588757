package org.penjing.demo;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks a class that calls what API 24 lacks after it has looked at the device's version; the check of the API level
 * lets it pass.
 *
 * <p>Left out: which version: the class says so at each call.
 */
@Retention(RetentionPolicy.CLASS)
@Target(ElementType.TYPE)
@interface ChecksVersion {}
